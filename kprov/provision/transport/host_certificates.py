"""Certificates of host keys: an authority that known_hosts names (@cert-authority) vouches for a machine's key."""

from __future__ import annotations

import base64
import struct
import time

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import SSHCertificate, SSHCertificateType

# Kinds that are asked for where an authority is known.
CERTIFICATES = (
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
)


def problem_of(blob: bytes, host: str, authorities: list[bytes]) -> str | None:
    """Why a certificate does not vouch for a host.

    Args:
        blob: the certificate, as SSH sends it.
        host: the name or address that was connected to.
        authorities: public keys, as SSH sends them.

    Returns:
        None when it is good.
    """
    try:
        kind = blob[4 : 4 + struct.unpack(">I", blob[:4])[0]]
        certificate = serialization.load_ssh_public_identity(kind + b" " + base64.b64encode(blob))
        if not isinstance(certificate, SSHCertificate):
            return "it is none"
        certificate.verify_cert_signature()
        signer = certificate.signature_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
    except (ValueError, struct.error, InvalidSignature, UnsupportedAlgorithm) as error:
        return f"it cannot be verified ({error or type(error).__name__})"
    if base64.b64decode(signer.split()[1]) not in authorities:
        return "known_hosts has no @cert-authority line for whoever signed it"
    if certificate.type is not SSHCertificateType.HOST:
        return "it is a user's, not a host's"
    if certificate.critical_options:
        return "it has critical options, which no host's certificate may have"
    if not certificate.valid_after <= time.time() < certificate.valid_before:
        return "its time has not come, or is over (or the controller's clock is wrong)"
    names = [name.decode(errors="replace") for name in certificate.valid_principals]
    if names and host.lower() not in (name.lower() for name in names):
        return f"it is for {', '.join(names)}, not for {host}"
    return None
