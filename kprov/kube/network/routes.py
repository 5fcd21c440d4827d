"""A route to every other node's pods, through that node's address.

Only routes that carry kprov's protocol number are ever removed, and only when the API server itself says that no node
has that network any more: an API that does not answer removes nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# rtnetlink's protocol numbers below 128 are given away, 186 to 196 too (/etc/iproute2/rt_protos).
PROTOCOL = "149"


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """A network of pods, and the address that leads there."""

    network: str
    gateway: str


def internal_address(node: Mapping[str, Any]) -> str:
    """A Node's IPv4 InternalIP; "" when it has none yet."""
    for entry in (node.get("status") or {}).get("addresses") or ():
        if entry["type"] == "InternalIP" and ":" not in entry["address"]:
            return str(entry["address"])
    return ""


def pod_network(node: Mapping[str, Any]) -> str:
    """A Node's IPv4 pod network; "" when it was given none yet."""
    spec = node.get("spec") or {}
    for network in spec.get("podCIDRs") or [spec.get("podCIDR") or ""]:
        if network and ":" not in network:
            return str(network)
    return ""


def wanted_routes(nodes: Iterable[Mapping[str, Any]], own_name: str) -> set[Route]:
    """The routes that this machine needs for the other nodes' pods."""
    routes = set()
    for node in nodes:
        if node["metadata"]["name"] == own_name:
            continue
        network, gateway = pod_network(node), internal_address(node)
        if network and gateway:
            routes.add(Route(network, gateway))
    return routes


def own_routes(listed: Iterable[Mapping[str, Any]]) -> set[Route]:
    """The routes among those that ``ip -json route`` lists which this daemon made."""
    return {
        Route(str(ipaddress.IPv4Network(entry["dst"])), entry["gateway"])
        for entry in listed
        if str(entry.get("protocol")) == PROTOCOL and "gateway" in entry and entry["dst"] != "default"
    }


def commands(present: set[Route], wanted: set[Route]) -> list[str]:
    """What to tell ip so that the routes are as wanted."""
    kept = {route.network for route in wanted}
    removals = [f"route del {r.network} via {r.gateway} proto {PROTOCOL}" for r in sorted(present - wanted)]
    return [
        *(line for line in removals if line.split()[2] not in kept),
        *(f"route replace {r.network} via {r.gateway} proto {PROTOCOL}" for r in sorted(wanted - present)),
    ]


def fence(listed: Sequence[Mapping[str, Any]], pods: str) -> list[str]:
    """The commands for a route that keeps this machine's packets to pods on machines that it knows.

    Without it a packet to a pod that no route leads to yet, or no more, takes the default route: out of the cluster, to
    a router that may refuse it in the pod's name. Dropped here, a connection's first packet is sent again a second
    later, when the route has come, or when the proxy has chosen another endpoint.
    """
    fences = {
        entry["dst"]
        for entry in listed
        if str(entry.get("protocol")) == PROTOCOL and entry.get("type") == "blackhole" and entry["dst"] != pods
    }
    stands = any(entry["dst"] == pods and entry.get("type") == "blackhole" for entry in listed)
    return [
        *(f"route del blackhole {network} proto {PROTOCOL}" for network in sorted(fences)),
        *([] if stands else [f"route replace blackhole {pods} proto {PROTOCOL}"]),
    ]


def service_route(listed: Iterable[Mapping[str, Any]], services: str, node_address: str) -> str:
    """The command for a route that the Services' network needs, "" where there is a default route or it stands.

    Connections from the machine itself to a Service are looked up in the routes before the proxy redirects them. On a
    machine without a default route they would fail there, so the network gets the interface that the machine's own
    address is on.
    """
    entries = list(listed)
    if any(entry["dst"] in ("default", services) for entry in entries):
        return ""
    for entry in entries:
        if entry["dst"] == "default" or "dev" not in entry or "gateway" in entry:
            continue
        if ipaddress.IPv4Address(node_address) in ipaddress.IPv4Network(entry["dst"], strict=False):
            return f"route replace {services} dev {entry['dev']} src {node_address} scope link proto {PROTOCOL}"
    return ""
