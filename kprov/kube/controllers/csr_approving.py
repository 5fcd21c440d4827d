"""Approving what nodes ask for themselves: client certificates, and serving certificates for their own addresses."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.kinds import CERTIFICATE_SIGNING_REQUESTS as REQUESTS
from kprov.kube.api.kinds import NODES, SUBJECT_ACCESS_REVIEWS
from kprov.kube.controllers import csr_request
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.csr_request import Refused, Request
from kprov.kube.controllers.pod_state import condition

Object = dict[str, Any]


def own_names(node: Object) -> tuple[set[str], set[str]]:
    """(DNS names, addresses) that a Node may have a serving certificate for."""
    names: set[str] = {node["metadata"]["name"]}
    addresses: set[str] = set()
    for entry in (node.get("status") or {}).get("addresses") or ():
        (addresses if entry["type"] in ("InternalIP", "ExternalIP") else names).add(entry["address"])
    return names, addresses


class CertificateApproving(Controller):
    """Approves; it never denies: a request that it does not know waits for a person."""

    name = "csrapproving"
    account = "certificate-controller"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.requests = self.watch_keys(REQUESTS)
        self.nodes = self.watch(NODES, on_add=self._wake_serving, on_update=self._addresses_changed)

    def _wake_serving(self, node: Object) -> None:
        """A kubelet asks for its certificate before it has posted its addresses, perhaps."""
        user = f"system:node:{node['metadata']['name']}"
        for found in self.requests.list():
            if found["spec"].get("username") == user:
                self.enqueue(found)

    def _addresses_changed(self, old: Object, new: Object) -> None:
        if own_names(old) != own_names(new):
            self._wake_serving(new)

    async def reconcile(self, key: str) -> None:
        """Approve one request if its requester may have it."""
        found = self.requests.get(key)
        if found is None or (found.get("status") or {}).get("certificate"):
            return
        if condition(found, "Approved") is not None or condition(found, "Denied") is not None:
            return
        signer = found["spec"].get("signerName")
        if signer not in (csr_request.KUBELET_CLIENT, csr_request.KUBELET_SERVING):
            return
        try:
            parsed = csr_request.parse(found)
            csr_request.SIGNERS[signer](found["spec"], parsed)
        except Refused:
            return
        if signer == csr_request.KUBELET_CLIENT:
            message = await self._client_grounds(found, parsed)
        else:
            message = self._serving_grounds(found, parsed)
        if message is None:
            return
        stamp = clock.format_time(clock.seconds())
        entry = {
            "type": "Approved",
            "status": "True",
            "reason": "AutoApproved",
            "message": message,
            "lastUpdateTime": stamp,
            "lastTransitionTime": stamp,
        }
        status = dict(found.get("status") or {})
        status["conditions"] = [*(status.get("conditions") or ()), entry]
        await self.client.update(REQUESTS, {**found, "status": status}, subresource="approval")

    async def _client_grounds(self, found: Object, parsed: Request) -> str | None:
        if parsed.common_name == found["spec"].get("username") and await self._may(found, "selfnodeclient"):
            return "Auto approving self kubelet client certificate after SubjectAccessReview."
        if await self._may(found, "nodeclient"):
            return "Auto approving kubelet client certificate after SubjectAccessReview."
        return None

    async def _may(self, found: Object, subresource: str) -> bool:
        spec = found["spec"]
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": spec.get("username", ""),
                "uid": spec.get("uid", ""),
                "groups": spec.get("groups") or [],
                "extra": spec.get("extra") or {},
                "resourceAttributes": {
                    "group": "certificates.k8s.io",
                    "resource": "certificatesigningrequests",
                    "verb": "create",
                    "subresource": subresource,
                    "version": "*",
                },
            },
        }
        answer = await self.client.create(SUBJECT_ACCESS_REVIEWS, review)
        return bool((answer.get("status") or {}).get("allowed"))

    def _serving_grounds(self, found: Object, parsed: Request) -> str | None:
        """A node may serve under the names and addresses of its own Node object, and under no others."""
        spec = found["spec"]
        if spec.get("username") != parsed.common_name or "system:nodes" not in (spec.get("groups") or ()):
            return None
        node = self.nodes.get(parsed.common_name.removeprefix("system:node:"))
        if node is None:
            return None
        names, addresses = own_names(node)
        if set(parsed.dns_names) <= names and set(parsed.addresses) <= addresses:
            return "Auto approving kubelet serving certificate: every name and address is this Node's own."
        return None
