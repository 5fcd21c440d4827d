"""Keys, requests and dates of certificates, in a process of its own.

``python -m kprov.kube.kubelet.certificates.tool`` reads one JSON object and writes one. The cryptography library takes
several megabytes, is needed a few times a year, and so does not stay in the kubelet's memory.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def request(wanted: dict[str, Any]) -> dict[str, Any]:
    """A key (made unless ``key`` is given) and a signing request: {key, csr, fingerprint}."""
    import hashlib
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key: Any = None
    if wanted.get("key"):
        key = serialization.load_pem_private_key(wanted["key"].encode(), None)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in wanted.get("organizations", [])),
            x509.NameAttribute(NameOID.COMMON_NAME, wanted["common_name"]),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in wanted.get("dns_names", [])]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in wanted.get("addresses", [])]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    csr = builder.sign(key, hashes.SHA256())
    return {
        "key": _key_pem(key),
        "csr": csr.public_bytes(serialization.Encoding.PEM).decode(),
        "fingerprint": hashlib.sha256(public).hexdigest(),
    }


def _key_pem(key: Any) -> str:
    from cryptography.hazmat.primitives import serialization

    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return pem.decode()


def describe(wanted: dict[str, Any]) -> dict[str, Any]:
    """Dates, subject and names of the first certificate in ``pem``, and whether its key is with it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    pem = wanted["pem"].encode()
    certificate = x509.load_pem_x509_certificate(pem)
    names: list[str] = []
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(each.value) for each in alternatives]
    except x509.ExtensionNotFound:
        pass
    matches = True
    if "PRIVATE KEY" in wanted["pem"]:
        key: Any = serialization.load_pem_private_key(pem, None)
        matches = key.public_key() == certificate.public_key()
    return {
        "not_before": certificate.not_valid_before_utc.timestamp(),
        "not_after": certificate.not_valid_after_utc.timestamp(),
        "subject": certificate.subject.rfc4514_string(),
        "names": names,
        "key_matches": matches,
    }


def self_signed(wanted: dict[str, Any]) -> dict[str, Any]:
    """A certificate signed by its own key, for a kubelet that was told of no other: {key, certificate}."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted["common_name"])])
    alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in wanted.get("dns_names", [])]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in wanted.get("addresses", [])]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    return {"key": _key_pem(key), "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode()}


def main() -> None:
    """Answer one question."""
    question = json.load(sys.stdin)
    json.dump(
        {"request": request, "describe": describe, "self_signed": self_signed}[question["do"]](question), sys.stdout
    )


if __name__ == "__main__":
    main()
