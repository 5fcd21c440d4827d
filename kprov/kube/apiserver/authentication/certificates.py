"""Client certificates: the subject's common name is the user, its organizations are the groups.

TLS has verified the chain before a request is read; what is left is to read the names.
"""

from __future__ import annotations

from functools import lru_cache

from kprov.kube.apiserver.request import UserInfo


@lru_cache(maxsize=512)
def user_of_certificate(der: bytes) -> UserInfo | None:
    """The user that a client certificate names.

    Args:
        der: the peer's certificate.

    Returns:
        The user, or None where the certificate names nobody or may not be used by clients.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    certificate = x509.load_der_x509_certificate(der)
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usages = None
    allowed = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if usages is not None and not any(usage in usages for usage in allowed):
        return None
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names or not names[0].value:
        return None
    organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return UserInfo(name=str(names[0].value), groups=tuple(str(each.value) for each in organizations))


@lru_cache(maxsize=512)
def end_of(der: bytes) -> float:
    """When a certificate ends, in seconds since 1970. Raises ValueError where it cannot be read."""
    from cryptography import x509

    return x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()


@lru_cache(maxsize=64)
def common_name(der: bytes) -> str:
    """The common name of a certificate, or nothing."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
