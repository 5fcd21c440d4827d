"""Certificate signing requests: who may approve, who may sign, and what nobody may ask for."""

from __future__ import annotations

import base64

from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.admission.plugin import Plugin, forbid
from kprov.kube.apiserver.request import RequestInfo
from kprov.kube.apiserver.strategy.equality import semantically_equal

_REQUESTS = ("certificates.k8s.io", "certificatesigningrequests")
_CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class _SignerPlugin(Plugin):
    resources = frozenset((_REQUESTS,))
    operations = frozenset(("UPDATE",))
    verb = ""

    async def _check(self, attrs: AdmissionAttributes) -> None:
        """That the user may do it for this signer, or for all of the signer's domain."""
        signer = ((attrs.old_obj or {}).get("spec") or {}).get("signerName") or ""
        for name in (signer, signer.partition("/")[0] + "/*"):
            info = RequestInfo(
                verb=self.verb,
                path="",
                is_resource=True,
                api_group="certificates.k8s.io",
                api_version="*",
                resource="signers",
                name=name,
            )
            if (await self.around.authorizer.authorize(attrs.user, info)).allowed:
                return
        raise forbid(attrs, f'user not permitted to {self.verb} requests with signerName "{signer}"')


class CertificateApproval(_SignerPlugin):
    """Approving takes the verb ``approve`` on the signer."""

    name = "CertificateApproval"
    subresources = frozenset(("approval",))
    verb = "approve"

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Ask the authorizer."""
        await self._check(attrs)


class CertificateSigning(_SignerPlugin):
    """Putting a certificate in takes the verb ``sign`` on the signer."""

    name = "CertificateSigning"
    subresources = frozenset(("status",))
    verb = "sign"

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Ask the authorizer, where certificate or conditions change."""
        new, old = (attrs.obj or {}).get("status") or {}, (attrs.old_obj or {}).get("status") or {}
        if new.get("certificate") == old.get("certificate") and semantically_equal(
            new.get("conditions"), old.get("conditions")
        ):
            return
        await self._check(attrs)


class CertificateSubjectRestriction(Plugin):
    """Nobody asks for a client certificate of the group that may do anything."""

    name = "CertificateSubjectRestriction"
    resources = frozenset((_REQUESTS,))
    operations = frozenset(("CREATE",))

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Read the request."""
        spec = (attrs.obj or {}).get("spec") or {}
        if spec.get("signerName") != _CLIENT_SIGNER:
            return
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        try:
            request = x509.load_pem_x509_csr(base64.b64decode(spec.get("request") or ""))
        except ValueError as error:
            raise forbid(attrs, f"failed to parse CSR: {error}") from error
        organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if any(each.value == "system:masters" for each in organizations):
            message = f"use of {_CLIENT_SIGNER} signer with system:masters group is not allowed"
            raise forbid(attrs, message)
