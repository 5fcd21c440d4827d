"""Keys that sign and verify service-account tokens: reading them, naming them, and their algorithms."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_PEM_BLOCK = b"-----BEGIN "
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class KeyFileError(ValueError):
    """A file holds no key that tokens can be signed or verified with."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key under the name that tokens call it by."""

    key_id: str
    algorithm: str
    public: PublicKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its public half."""

    private: PrivateKey
    verification: VerificationKey


def encode(data: bytes) -> str:
    """Base64 in the form of tokens: for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The reverse of :func:`encode`.

    Raises:
        ValueError: the text is not base64.
    """
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def describe(public: PublicKey) -> VerificationKey:
    """Name a public key as upstream does: by the hash of its DER form.

    Raises:
        KeyFileError: no token algorithm goes with it.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    algorithm = _CURVES.get(public.curve.name) if isinstance(public, ec.EllipticCurvePublicKey) else "RS256"
    if algorithm is None:
        raise KeyFileError("unknown curve: use P-256, P-384, P-521 or an RSA key")
    return VerificationKey(encode(hashlib.sha256(der).digest()), algorithm, public)


def _blocks(pem: bytes) -> list[bytes]:
    return [_PEM_BLOCK + part for part in pem.split(_PEM_BLOCK)[1:]]


def _public_of(block: bytes) -> PublicKey:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    head = block.splitlines()[0]
    found: object
    if b"CERTIFICATE" in head:
        found = x509.load_pem_x509_certificate(block).public_key()
    elif b"PRIVATE KEY" in head:
        found = serialization.load_pem_private_key(block, None).public_key()
    else:
        found = serialization.load_pem_public_key(block)
    if not isinstance(found, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ValueError("neither an RSA nor an elliptic-curve key")
    return found


def read_verification_keys(pem: bytes, source: str) -> list[VerificationKey]:
    """Every public key of a PEM file: public keys, certificates, or private keys (of which the public half is taken).

    Args:
        pem: the file's content.
        source: its path, for the error.

    Raises:
        KeyFileError: it has no usable key.
    """
    keys = []
    for block in _blocks(pem):
        if b"EC PARAMETERS" in block.splitlines()[0]:
            continue
        try:
            keys.append(describe(_public_of(block)))
        except ValueError as error:
            raise KeyFileError(f"{source}: {error}") from error
    if not keys:
        raise KeyFileError(f"{source}: no PEM-encoded RSA or elliptic-curve key in it")
    return keys


def read_signing_key(pem: bytes, source: str) -> SigningKey:
    """The private key of a PEM file.

    Raises:
        KeyFileError: it has no usable private key.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    for block in _blocks(pem):
        if b"PRIVATE KEY" not in block.splitlines()[0]:
            continue
        try:
            private = serialization.load_pem_private_key(block, None)
        except (ValueError, TypeError) as error:
            raise KeyFileError(f"{source}: {error}") from error
        if isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            return SigningKey(private, describe(private.public_key()))
    raise KeyFileError(f"{source}: no PEM-encoded RSA or elliptic-curve private key in it")
