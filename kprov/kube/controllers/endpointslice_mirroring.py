"""EndpointSlices for Endpoints that users write by hand, for Services without a selector."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.kinds import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.endpointslice import MANAGED_BY, SERVICE_INDEX, SERVICE_LABEL, service_keys
from kprov.kube.controllers.ownership import controller_reference
from kprov.kube.controllers.pod_control import namespace_is_terminating
from kprov.kube.controllers.template import stable_hash

Object = dict[str, Any]
OURS = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"


def slices_of(endpoints: Object, owner: Object) -> dict[str, Object]:
    """The slices that say the same as an Endpoints object, by name: one for each subset and address family."""
    metadata, slices = endpoints["metadata"], {}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if not k.startswith("endpoints.kubernetes.io/")}
    labels |= {SERVICE_LABEL: metadata["name"], MANAGED_BY: OURS}
    for subset in endpoints.get("subsets") or ():
        entries = [(a, True) for a in subset.get("addresses") or ()]
        entries += [(a, False) for a in subset.get("notReadyAddresses") or ()]
        for family in ("IPv4", "IPv6"):
            own = [(a, ready) for a, ready in entries if (":" in a["ip"]) == (family == "IPv6")]
            if not own:
                continue
            ports = [{"name": "", "protocol": "TCP", **port} for port in subset.get("ports") or ()]
            name = f"{metadata['name'][:52]}-{stable_hash([family, ports])}"
            endpoints_list = [
                {
                    "addresses": [address["ip"]],
                    "conditions": {"ready": ready},
                    **{k: address[k] for k in ("hostname", "nodeName", "targetRef") if address.get(k)},
                }
                for address, ready in own[:1000]
            ]
            slices[name] = {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": name,
                    "namespace": metadata["namespace"],
                    "labels": labels,
                    "ownerReferences": [controller_reference(owner, ENDPOINTS)],
                },
                "addressType": family,
                "endpoints": endpoints_list,
                "ports": ports,
            }
    return slices


class EndpointSliceMirroring(Controller):
    """Mirrors what the EndpointSlice controller leaves alone."""

    name = "endpointslicemirroring"
    account = "endpointslicemirroring-controller"
    component = "endpoint-slice-mirroring-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.endpoints = self.watch_keys(ENDPOINTS)
        self.services = self.watch_keys(SERVICES)
        self.slices = context.indexed(ENDPOINT_SLICES, SERVICE_INDEX, service_keys)
        self.watch(ENDPOINT_SLICES, on_update=lambda _, new: self._slice_changed(new), on_delete=self._slice_changed)

    def _slice_changed(self, found: Object) -> None:
        if (found["metadata"].get("labels") or {}).get(MANAGED_BY) == OURS:
            for key in service_keys(found):
                self.queue.add(key)

    def _mirrors(self, service: Object | None, endpoints: Object | None) -> bool:
        if service is None or endpoints is None or service["spec"].get("selector"):
            return False
        labels = endpoints["metadata"].get("labels") or {}
        if labels.get(SKIP) == "true":
            return False
        return LEADER not in (endpoints["metadata"].get("annotations") or {})

    async def reconcile(self, key: str) -> None:
        """Bring the mirror of one Endpoints object up to date."""
        endpoints, service = self.endpoints.get(key), self.services.get(key)
        existing = {
            s["metadata"]["name"]: s
            for s in self.slices.by_index(SERVICE_INDEX, key)
            if (s["metadata"].get("labels") or {}).get(MANAGED_BY) == OURS
        }
        wanted = slices_of(endpoints, endpoints) if endpoints is not None and self._mirrors(service, endpoints) else {}
        for name, body in wanted.items():
            current = existing.pop(name, None)
            try:
                if current is None:
                    await self.client.create(ENDPOINT_SLICES, body, body["metadata"]["namespace"])
                elif any(current.get(part) != body[part] for part in ("endpoints", "ports")):
                    await self.client.update(
                        ENDPOINT_SLICES, {**current, **{p: body[p] for p in ("endpoints", "ports")}}
                    )
            except ApiError as error:
                if not (is_already_exists(error) or namespace_is_terminating(error)):
                    raise
        for gone in existing.values():
            try:
                await self.client.delete(ENDPOINT_SLICES, gone["metadata"]["name"], gone["metadata"]["namespace"])
            except ApiError as error:
                if not is_not_found(error):
                    raise
