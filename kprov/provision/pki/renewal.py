"""Decides whether a certificate is still the right one."""

from __future__ import annotations

import datetime
import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from kprov.provision.pki.authority import Authority
from kprov.provision.pki.signing import alternative_names_of, extended_usages_of, subject_of
from kprov.provision.pki.specification import CertificateSpec

# A certificate is renewed when less than this part of its life is left: with a year that is four months of runs of
# `kprov up`, or of warnings, before anything stops.
RENEW_AT = 1 / 3
OTHER_AUTHORITY = "it was signed by another authority"


def needs_renewal(
    certificate_pem: bytes | str | None,
    spec: CertificateSpec,
    authority: Authority | x509.Certificate,
    now: datetime.datetime | None = None,
    *,
    public_key_sha256: str | None = None,
) -> str | None:
    """Why the certificate must be made anew, or None when it is as it should be.

    Args:
        certificate_pem: what the machine has; None when it has none.
        authority: who must have signed it.
        public_key_sha256: hex digest of the machine's public key (DER SubjectPublicKeyInfo), to compare.
    """
    if not certificate_pem:
        return "there is none"
    content = certificate_pem.encode() if isinstance(certificate_pem, str) else certificate_pem
    try:
        certificate = x509.load_pem_x509_certificate(content)
    except ValueError:
        return "it is not a certificate"
    issuer = authority.certificate if isinstance(authority, Authority) else authority
    return (
        _other_authority(certificate, issuer)
        or _key_changed(certificate, public_key_sha256)
        or _content_changed(certificate, spec)
        or _expiry(certificate, issuer, now or datetime.datetime.now(datetime.UTC))
    )


def public_key_digest(certificate: x509.Certificate) -> str:
    """The hex SHA-256 of a certificate's public key, as machines compute it for their own keys."""
    encoded = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(encoded).hexdigest()


def _other_authority(certificate: x509.Certificate, issuer: x509.Certificate) -> str | None:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return OTHER_AUTHORITY
    return None


def _key_changed(certificate: x509.Certificate, expected: str | None) -> str | None:
    if expected and public_key_digest(certificate) != expected.lower():
        return "its key was changed"
    return None


def _content_changed(certificate: x509.Certificate, spec: CertificateSpec) -> str | None:
    if certificate.subject != subject_of(spec):
        return f"its subject changed from {certificate.subject.rfc4514_string()} to {subject_of(spec).rfc4514_string()}"
    try:
        names = set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = set()
    wanted = set(alternative_names_of(spec))
    if names != wanted:
        more, fewer = _texts(wanted - names), _texts(names - wanted)
        parts = [f"{', '.join(more)} missing"] * bool(more) + [f"{', '.join(fewer)} no longer wanted"] * bool(fewer)
        return f"its names changed: {'; '.join(parts)}"
    try:
        usages = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = set()
    if usages != set(extended_usages_of(spec)):
        return "its usages changed"
    return None


def _texts(names: set[x509.GeneralName]) -> list[str]:
    return sorted(str(name.value) for name in names)


def _expiry(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime.datetime) -> str | None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end <= now:
        return f"it expired on {end:%Y-%m-%d}"
    if begin > now:
        return f"it is not valid before {begin:%Y-%m-%d %H:%M} UTC"
    if end >= issuer.not_valid_after_utc:
        return None  # it can't be made to live longer than its authority
    left = end - now
    if left < (end - begin) * RENEW_AT:
        return f"{left.days} days are left of {(end - begin).days}"
    return None
