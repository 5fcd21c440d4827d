"""What one Service puts into the proxy's nftables maps, sets and chains."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from kprov.kube.proxy.ruleset import MASQUERADE_MARK
from kprov.kube.proxy.service_ports import Endpoint, ServicePort

# (map or set, key) -> value; the value is "" in a set.
Elements = dict[tuple[str, str], str]


@dataclass(slots=True)
class Contribution:
    """One Service's share of the ruleset.

    ``elements`` go into maps and sets that all Services share. ``balancers`` are the shared chains that it needs, as
    (kind, number of endpoints). ``chains`` and ``client_sets`` are its own, for session affinity: chain name -> rules,
    and set name -> timeout in seconds. ``flows`` lists (protocol, address or "", port) -> endpoints: the kernel must
    forget flows to an endpoint that left.
    """

    elements: Elements = field(default_factory=dict)
    balancers: set[tuple[str, int]] = field(default_factory=set)
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    client_sets: dict[str, int] = field(default_factory=dict)
    flows: dict[tuple[str, str, int], frozenset[Endpoint]] = field(default_factory=dict)


def _short(*parts: object) -> str:
    return hashlib.sha256("/".join(str(part) for part in parts).encode()).hexdigest()[:12]


def _affinity_chain(port: ServicePort, endpoints: tuple[Endpoint, ...], scope: str, into: Contribution) -> str:
    """A chain that sends a client back to the endpoint that it had, for ``affinity_seconds`` after its last packet."""
    base = _short(port.namespace, port.name, port.port_name, port.protocol, port.port, scope)
    # The answer must come back this way, as from the shared chain of node ports.
    rules = [f"meta mark set meta mark | {MASQUERADE_MARK:#x}"] if scope == "nodeport" else []
    targets = []
    for index, endpoint in enumerate(endpoints):
        mark = f"{base}-{_short(endpoint.address, endpoint.port)}"
        chain, clients = f"affinity-{mark}", f"clients-{mark}"
        into.client_sets[clients] = port.affinity_seconds
        into.chains[chain] = (
            f"update @{clients} {{ ip saddr }}",
            f"meta l4proto {port.protocol} dnat to {endpoint.address}:{endpoint.port}",
        )
        rules.append(f"ip saddr @{clients} goto {chain}")
        targets.append(f"{index} : goto {chain}")
    name = f"affinity-{base}"
    into.chains[name] = (*rules, f"numgen random mod {len(endpoints)} vmap {{ {', '.join(targets)} }}")
    return name


def _spread(
    port: ServicePort, endpoints: tuple[Endpoint, ...], key: str, kind: str, endpoint_map: str, into: Contribution
) -> str:
    """The verdict that sends a packet with ``key`` to one of the endpoints.

    Arguments: ``kind`` names the shared chains ("endpoints" by address, "nodeport" by port alone), ``endpoint_map`` the
    maps in which they look up, one a protocol. Session affinity gets chains of its own.
    """
    if port.affinity_seconds:
        return f"goto {_affinity_chain(port, endpoints, kind, into)}"
    into.balancers.add((kind, len(endpoints)))
    for index, endpoint in enumerate(endpoints):
        into.elements[f"{endpoint_map}-{port.protocol}", f"{key} . {index}"] = f"{endpoint.address} . {endpoint.port}"
    return f"goto {kind}-{len(endpoints)}"


def _address(
    port: ServicePort, address: str, endpoints: tuple[Endpoint, ...], local_only: bool, into: Contribution
) -> None:
    key = f"{address} . {port.protocol} . {port.port}"
    if endpoints:
        into.elements["services", key] = _spread(port, endpoints, key, "endpoints", "service-endpoints", into)
    else:
        # Upstream drops where only this machine has none, so that a client retries, and rejects where nobody has any.
        into.elements["dropped" if local_only and port.endpoints else "rejected", key] = ""
    into.flows[port.protocol, address, port.port] = frozenset(endpoints)


def _node_port(port: ServicePort, into: Contribution) -> None:
    key = f"{port.protocol} . {port.node_port}"
    endpoints = port.outside_endpoints()
    if port.external_local and port.endpoints:
        # Pods reach every endpoint through any machine's port, whatever the policy for the outside.
        kind = "pod-nodeport"
        verdict = _spread(port, port.endpoints, key, kind, "pod-node-port-endpoints", into)
        into.elements["pod-node-ports", key] = verdict
    if endpoints:
        kind = "local-nodeport" if port.external_local else "nodeport"
        into.elements["node-ports", key] = _spread(port, endpoints, key, kind, "node-port-endpoints", into)
    else:
        into.elements["dropped-node-ports" if port.endpoints else "rejected-node-ports", key] = ""
    into.flows[port.protocol, "", port.node_port] = frozenset(endpoints)


def contribution(ports: Iterable[ServicePort]) -> Contribution:
    """All that a Service's ports need in nftables."""
    share = Contribution()
    for port in ports:
        internal = port.internal_endpoints()
        for address in port.cluster_addresses:
            _address(port, address, internal, port.internal_local, share)
            share.elements["cluster-addresses", address] = ""
        for address in port.external_addresses:
            _address(port, address, port.outside_endpoints(), port.external_local, share)
            if not port.external_local:
                share.elements["external-addresses", address] = ""
        if port.node_port:
            _node_port(port, share)
        for endpoint in {*port.endpoints, *port.local_endpoints}:
            if endpoint.local:
                share.elements["hairpin", f"{endpoint.address} . {endpoint.address}"] = ""
    return share
