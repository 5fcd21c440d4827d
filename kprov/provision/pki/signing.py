"""Signs requests: the request proves that its sender has the key; everything else comes from the specification."""

from __future__ import annotations

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kprov.provision.pki.authority import BACKDATE, Authority
from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.specification import CertificateSpec


def sign(
    authority: Authority, csr_pem: bytes | str, spec: CertificateSpec, now: datetime.datetime | None = None
) -> bytes:
    """Make the certificate that ``spec`` describes for the key in the signing request.

    Names and usages in the request are ignored: a machine can't ask for more than the catalogue gives it.
    Returns PEM. Raises PkiError when the request is no request, or is not signed by the key that it holds.
    """
    content = csr_pem.encode() if isinstance(csr_pem, str) else csr_pem
    try:
        request = x509.load_pem_x509_csr(content)
    except ValueError as error:
        raise PkiError(f"{spec.name}: not a certificate signing request: {error}") from None
    if not request.is_signature_valid:
        raise PkiError(f"{spec.name}: the signing request is not signed by its own key")
    return sign_key(authority, request.public_key(), spec, now)


def sign_key(
    authority: Authority, public_key: object, spec: CertificateSpec, now: datetime.datetime | None = None
) -> bytes:
    """Make the certificate that ``spec`` describes for a key that is known to be its owner's. Returns PEM."""
    if not isinstance(public_key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
        raise PkiError(f"{spec.name}: keys are EC or RSA")
    if authority.name != spec.authority:
        raise PkiError(f"{spec.name} must be signed by the authority {spec.authority}, not {authority.name}")
    now = now or datetime.datetime.now(datetime.UTC)
    end = min(now + datetime.timedelta(days=spec.lifetime_days), authority.certificate.not_valid_after_utc)
    if end <= now:
        raise PkiError(f"the authority {authority.name} expired on {end:%Y-%m-%d}: it can't sign any more")
    own_identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_of(spec))
        .issuer_name(authority.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(isinstance(public_key, rsa.RSAPublicKey)), critical=True)
        .add_extension(extended_usages_of(spec), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_identifier), critical=False)
    )
    names = alternative_names_of(spec)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def subject_of(spec: CertificateSpec) -> x509.Name:
    """The subject: organizations (Kubernetes' groups), then the common name (its user)."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in spec.organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, spec.common_name)])


def alternative_names_of(spec: CertificateSpec) -> list[x509.GeneralName]:
    """The names that a client may check."""
    return [
        *(x509.DNSName(name) for name in spec.dns_names),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in spec.addresses),
    ]


def extended_usages_of(spec: CertificateSpec) -> x509.ExtendedKeyUsage:
    """Whether it is for servers, for clients, or both. Raises PkiError for neither."""
    usages = [
        *([ExtendedKeyUsageOID.SERVER_AUTH] if spec.server else []),
        *([ExtendedKeyUsageOID.CLIENT_AUTH] if spec.client else []),
    ]
    if not usages:
        raise PkiError(f"{spec.name} is neither for a server nor for a client")
    return x509.ExtendedKeyUsage(usages)


def _key_usage(is_rsa: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=is_rsa,  # meaningless for EC keys, which agree on keys
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
