"""Private keys as files: PKCS#8 PEM, sealed with a passphrase if so wished."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kprov.provision.pki.errors import PkiError, SealedError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def private_pem(key: PrivateKey, passphrase: str | None = None) -> bytes:
    """A private key as PKCS#8 PEM, sealed if there is a passphrase."""
    sealing: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        sealing = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealing)


def load_private_key(path: Path, passphrase: str | None) -> PrivateKey:
    """Read a private key. Raises SealedError or PkiError, both naming the file."""
    content = path.read_bytes()
    sealed = b"ENCRYPTED" in content
    if sealed and not passphrase:
        raise SealedError(f"{path} is sealed: give the passphrase (KPROV_PASSPHRASE)")
    try:
        key = serialization.load_pem_private_key(content, passphrase.encode() if passphrase and sealed else None)
    except ValueError as error:
        if sealed:
            raise SealedError(f"{path}: the passphrase is not the right one") from None
        raise PkiError(f"{path} is damaged: {error}; restore it from a backup") from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise PkiError(f"{path} holds a key of another kind than kprov makes")
    return key
