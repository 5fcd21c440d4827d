"""An authority that another one has signed: its certificate, then who signed that, up to one that signed itself.

What is asked of it is what every client must find in order: OpenSSL as strict as Python 3.13 has it, and Go.
Source: RFC 5280, sections 4.2.1 and 6.1.
"""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from kprov.provision.pki.errors import PkiError

Chain = tuple[x509.Certificate, ...]
"""Who signs comes first."""
AUTHORITY_CONSTRAINTS = x509.BasicConstraints(ca=True, path_length=0)
AUTHORITY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""What an authority of a cluster is made for, whoever signs it: to certify machines and users, and no authorities."""
_SMALLEST_RSA = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


def load_chain(path: Path) -> Chain:
    """The certificates of a file. Raises PkiError when it holds none, or something else."""
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise PkiError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise PkiError(f"{path} is damaged: {error}; restore it from a backup") from None


def load_given(path: Path) -> Chain:
    """The certificates of a file that a person names.

    Raises:
        PkiError: it holds none, or something else; it says what that is, and which file to name.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PkiError(f"{path} can't be read: {error.strerror}") from None
    try:
        return tuple(x509.load_pem_x509_certificates(content))
    except ValueError:
        raise PkiError(
            f"{path} {_what_it_is(content, path) or 'holds no certificates in PEM'}. Name the file with the "
            "certificate that was signed, and after it in the same file those above it"
        ) from None


def _what_it_is(content: bytes, path: Path) -> str:
    """What people take for a certificate."""
    if not content.strip():
        return "is empty"
    if b"CERTIFICATE REQUEST-----" in content:
        return "is a request, not what was made of it"
    if b"PRIVATE KEY-----" in content and b"BEGIN CERTIFICATE" not in content:
        return "holds a private key, and no certificate"
    files = shlex.join(["-in", str(path), "-out", f"{path}.pem"])
    if b"BEGIN PKCS7" in content:
        return f"is PKCS #7; as PEM kprov takes it: openssl pkcs7 -print_certs {files}"
    try:
        x509.load_der_x509_certificate(content)
    except ValueError:
        return ""
    return f"is a certificate in DER; as PEM kprov takes it: openssl x509 -inform DER {files}"


def pem_of(certificates: Sequence[x509.Certificate]) -> bytes:
    """Certificates as PEM, each once."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in dict.fromkeys(certificates))


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether nobody stands above it."""
    return signed(certificate, certificate)


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether one signed the other."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def check_chain(chain: Chain, where: str, now: datetime.datetime | None = None) -> None:
    """Whether a cluster can be built on it.

    Args:
        chain: as a file has it.
        where: names the file in messages.
        now: the time that it must be valid at.

    Raises:
        PkiError: every client would refuse its certificates, or some would; it says why and what to do.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    for below, certificate in enumerate(chain):
        named = f"{where}: {certificate.subject.rfc4514_string() or 'a certificate without a name'}"
        for problem in (_no_authority(certificate, below), _not_strict(certificate), _weak(certificate)):
            if problem:
                raise PkiError(f"{named} {problem}")
        if certificate.not_valid_before_utc > now:
            raise PkiError(f"{named} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
        if certificate.not_valid_after_utc <= now:
            raise PkiError(f"{named} expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
        _check_above(chain, below, named)


def _check_above(chain: Chain, place: int, named: str) -> None:
    certificate = chain[place]
    issuer = certificate.issuer.rfc4514_string()
    if place + 1 == len(chain):
        if not is_self_signed(certificate):
            raise PkiError(
                f"{named} was signed by {issuer}, whose certificate is not in the file: append it, and whoever signed "
                "that, up to the one that signed itself"
            )
        return
    above = chain[place + 1]
    if not signed(certificate, above):
        raise PkiError(
            f"{named} was signed by {issuer}, and not by the next one in the file, {above.subject.rfc4514_string()}: "
            "who signs comes first, then who signed that, and so on"
        )
    if above.not_valid_after_utc < certificate.not_valid_after_utc:
        raise PkiError(
            f"{named} would outlive {above.subject.rfc4514_string()}, which ends on "
            f"{above.not_valid_after_utc:%Y-%m-%d}: have it signed with a shorter life"
        )


def _no_authority(certificate: x509.Certificate, below: int) -> str:
    """Args: ``below``: how many authorities lie below it."""
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return "is no authority: it lacks basicConstraints CA:TRUE"
    except ValueError as error:
        return f"can't be read: {error}"
    if not basic.value.ca:
        return "is no authority: its basicConstraints say CA:FALSE"
    if not basic.critical:
        return "has basicConstraints that are not marked critical: strict clients refuse it"
    if basic.value.path_length is not None and basic.value.path_length < below:
        return (
            f"allows {basic.value.path_length} authorities below it (pathlen), and there are {below}: "
            "have it signed by one that allows more"
        )
    return ""


def _not_strict(certificate: x509.Certificate) -> str:
    found = certificate.extensions
    try:
        usage = found.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return "lacks keyUsage: it must have keyCertSign"
    if not usage.key_cert_sign:
        return "may not sign certificates: its keyUsage lacks keyCertSign"
    try:
        found.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return "lacks subjectKeyIdentifier: strict clients refuse it"
    try:
        found.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        if not is_self_signed(certificate):
            return "lacks authorityKeyIdentifier: strict clients refuse it"
    try:
        purposes = found.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in purposes and not all(each in purposes for each in _BOTH):
        return "is limited by its extendedKeyUsage: it must allow serverAuth and clientAuth, or lack that"
    return ""


def _weak(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "" if key.key_size >= _SMALLEST_RSA else f"has an RSA key of {key.key_size} bits: 2048 is the least"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "" if isinstance(key.curve, _CURVES) else f"has a key on the curve {key.curve.name}: take P-256 or P-384"
    return "has a key that is neither RSA nor EC"
