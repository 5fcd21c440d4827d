"""Certificates for approved signing requests, from the cluster's authority."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.kube.api import clock
from kprov.kube.api.kinds import CERTIFICATE_SIGNING_REQUESTS as REQUESTS
from kprov.kube.controllers import csr_request
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.csr_request import Refused
from kprov.kube.controllers.pod_state import condition

if TYPE_CHECKING:
    from cryptography import x509

Object = dict[str, Any]
BACKDATE = timedelta(minutes=5)  # clocks of machines differ


class Authority:
    """The cluster's authority, read anew for each certificate: it may be rotated under us."""

    def __init__(self, certificate_file: str, key_file: str) -> None:
        self._certificate_file = Path(certificate_file)
        self._key_file = Path(key_file)

    def sign(self, request: x509.CertificateSigningRequest, usages: list[str], seconds: float) -> bytes:
        """The certificate in PEM. It never outlives the authority."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.x509.oid import ExtendedKeyUsageOID

        authority = x509.load_pem_x509_certificate(self._certificate_file.read_bytes())
        key: Any = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        now = datetime.now(UTC)
        end = min(now + timedelta(seconds=seconds), authority.not_valid_after_utc)
        wanted = set(usages)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(authority.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATE)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_identifier_of(authority), critical=False)
        )
        builder = builder.add_extension(
            x509.KeyUsage(
                digital_signature=bool(wanted & {"digital signature", "signing"}),
                content_commitment="content commitment" in wanted,
                key_encipherment="key encipherment" in wanted,
                data_encipherment="data encipherment" in wanted,
                key_agreement="key agreement" in wanted,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        extended = {
            "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
            "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
            "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
            "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
        }
        purposes = [oid for usage, oid in extended.items() if usage in wanted]
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        try:
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            pass
        else:
            builder = builder.add_extension(names.value, critical=names.critical)
        certificate = builder.sign(key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM)


def _identifier_of(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """As the authority itself has it: who signed that may have reckoned it otherwise than from the key's SHA-1."""
    from cryptography import x509

    try:
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        key: Any = authority.public_key()
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


class CertificateSigning(Controller):
    """Signs what is approved, for upstream's own signers."""

    name = "csrsigning"
    account = "certificate-controller"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.options
        self._authority = Authority(options.cluster_signing_cert_file, options.cluster_signing_key_file)
        self.requests = self.watch_keys(REQUESTS)

    async def reconcile(self, key: str) -> None:
        """Sign one request, or note why not."""
        found = self.requests.get(key)
        if found is None or (found.get("status") or {}).get("certificate"):
            return
        if not csr_request.is_approved(found) or condition(found, "Failed") is not None:
            return
        spec = found["spec"]
        check = csr_request.SIGNERS.get(spec.get("signerName", ""))
        if check is None:
            return
        status = dict(found.get("status") or {})
        try:
            parsed = csr_request.parse(found)
            check(spec, parsed)
        except Refused as refusal:
            if spec["signerName"] == csr_request.LEGACY:
                return  # others may sign for this one
            stamp = clock.format_time(clock.seconds())
            entry = {
                "type": "Failed",
                "status": "True",
                "reason": "SignerValidationFailure",
                "message": str(refusal),
                "lastUpdateTime": stamp,
                "lastTransitionTime": stamp,
            }
            status["conditions"] = [*(status.get("conditions") or ()), entry]
        else:
            longest = self.context.options.cluster_signing_duration
            seconds = min(longest, max(600.0, float(spec.get("expirationSeconds") or longest)))
            pem = self._authority.sign(parsed.request, list(spec.get("usages") or ()), seconds)
            status["certificate"] = base64.b64encode(pem).decode()
        await self.client.update(REQUESTS, {**found, "status": status}, subresource="status")
