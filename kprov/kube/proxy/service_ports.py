"""From Services and EndpointSlices to what the proxy must do for each port of each Service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One address and port that answers for a Service's port."""

    address: str
    port: int
    local: bool = False


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of one Service, with the endpoints that its traffic may go to.

    ``endpoints`` are for traffic under the policy Cluster, ``local_endpoints`` under Local. ``affinity_seconds`` is 0
    without session affinity.
    """

    namespace: str
    name: str
    port_name: str
    protocol: str
    port: int
    cluster_addresses: tuple[str, ...]
    external_addresses: tuple[str, ...] = ()
    node_port: int = 0
    affinity_seconds: int = 0
    internal_local: bool = False
    external_local: bool = False
    endpoints: tuple[Endpoint, ...] = ()
    local_endpoints: tuple[Endpoint, ...] = field(default=())

    def internal_endpoints(self) -> tuple[Endpoint, ...]:
        """Where traffic from inside of the cluster goes (internalTrafficPolicy)."""
        return self.local_endpoints if self.internal_local else self.endpoints

    def outside_endpoints(self) -> tuple[Endpoint, ...]:
        """Where traffic from outside of the cluster goes (externalTrafficPolicy)."""
        return self.local_endpoints if self.external_local else self.endpoints


def is_proxied(service: Object) -> bool:
    """Whether the Service is for this proxy: it has a cluster address and names no other proxy."""
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") in (None, "", "None"):
        return False
    labels = (service.get("metadata") or {}).get("labels") or {}
    return PROXY_NAME_LABEL not in labels


def _ipv4(addresses: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({a for a in addresses if a and ":" not in a}))


def _usable(endpoints: list[tuple[Endpoint, bool, bool]]) -> tuple[Endpoint, ...]:
    """Ready endpoints; where none is ready, those that still serve while they terminate (as upstream)."""
    ready = {endpoint for endpoint, is_ready, _ in endpoints if is_ready}
    return tuple(sorted(ready or {endpoint for endpoint, _, still_serves in endpoints if still_serves}))


def _slice_endpoints(
    slices: Iterable[Object], port_name: str, protocol: str, node: str
) -> list[tuple[Endpoint, bool, bool]]:
    found = []
    for piece in slices:
        if piece.get("addressType") != "IPv4":
            continue
        numbers = [
            entry["port"]
            for entry in piece.get("ports") or ()
            if entry.get("port") and (entry.get("name") or "") == port_name and entry.get("protocol", "TCP") == protocol
        ]
        for number in numbers:
            for entry in piece.get("endpoints") or ():
                conditions = entry.get("conditions") or {}
                ready = conditions.get("ready") is not False
                serving = conditions.get("serving")
                still_serves = bool(conditions.get("terminating")) and (ready if serving is None else bool(serving))
                for address in (entry.get("addresses") or ())[:1]:
                    endpoint = Endpoint(address, number, entry.get("nodeName") == node)
                    found.append((endpoint, ready, still_serves))
    return found


def service_ports(service: Object, slices: Iterable[Object], node: str) -> list[ServicePort]:
    """What the proxy on ``node`` does for a Service.

    Arguments: the Service, the EndpointSlices that carry its name, and this machine's node name.
    Returns: one entry a port; none for headless and ExternalName Services.
    """
    if not is_proxied(service):
        return []
    metadata, spec = service["metadata"], service["spec"]
    pieces = list(slices)
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    external = _ipv4([*(spec.get("externalIPs") or ()), *(entry.get("ip") for entry in ingress)])
    affinity = 0
    if spec.get("sessionAffinity") == "ClientIP":
        client_ip = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        affinity = int(client_ip.get("timeoutSeconds") or 10800)
    ports = []
    for entry in spec.get("ports") or ():
        protocol = entry.get("protocol") or "TCP"
        found = _slice_endpoints(pieces, entry.get("name") or "", protocol, node)
        ports.append(
            ServicePort(
                namespace=metadata["namespace"],
                name=metadata["name"],
                port_name=entry.get("name") or "",
                protocol=protocol.lower(),
                port=int(entry["port"]),
                cluster_addresses=_ipv4(spec.get("clusterIPs") or [spec.get("clusterIP")]),
                external_addresses=external,
                node_port=int(entry.get("nodePort") or 0),
                affinity_seconds=affinity,
                internal_local=spec.get("internalTrafficPolicy") == "Local",
                external_local=spec.get("externalTrafficPolicy") == "Local",
                endpoints=_usable(found),
                local_endpoints=_usable([item for item in found if item[0].local]),
            )
        )
    return ports
