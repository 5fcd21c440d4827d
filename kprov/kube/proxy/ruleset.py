"""The proxy's nftables table: what is always there, and how its parts are written in nft's language.

Maps only: a packet's cost does not grow with the number of Services, and an endpoint's change is a few elements.
"""

from __future__ import annotations

TABLE = "kube-proxy"
MASQUERADE_MARK = 0x4000  # upstream's default, KubeProxyConfiguration iptables.masqueradeBit 14

# Each protocol has endpoints of its own: nft takes a port in a map's data for one protocol's, and adds a match of that
# protocol to rules that look the map up.
PROTOCOLS = ("tcp", "udp", "sctp")
_BY_ADDRESS = "ip daddr . meta l4proto . th dport"
_BY_PORT = "meta l4proto . th dport"


def _endpoints(name: str, key: str) -> dict[str, tuple[str, str]]:
    return {f"{name}-{p}": ("map", f"{key} . numgen random mod 2 : ip daddr . {p} dport") for p in PROTOCOLS}


# name -> (kind, type); the type is an expression, so that nft knows how to print it
CONTAINERS: dict[str, tuple[str, str]] = {
    "services": ("map", f"{_BY_ADDRESS} : verdict"),
    **_endpoints("service-endpoints", _BY_ADDRESS),
    "node-ports": ("map", f"{_BY_PORT} : verdict"),
    **_endpoints("node-port-endpoints", _BY_PORT),
    "pod-node-ports": ("map", f"{_BY_PORT} : verdict"),
    **_endpoints("pod-node-port-endpoints", _BY_PORT),
    "rejected": ("set", _BY_ADDRESS),
    "dropped": ("set", _BY_ADDRESS),
    "rejected-node-ports": ("set", _BY_PORT),
    "dropped-node-ports": ("set", _BY_PORT),
    "cluster-addresses": ("set", "ip daddr"),
    "external-addresses": ("set", "ip daddr"),
    "hairpin": ("set", "ip saddr . ip daddr"),
}

_TO_NODE = "fib daddr type local ip daddr != 127.0.0.0/8"


def static_chains(cluster_cidr: str, node_port_addresses: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """The chains that do not depend on Services: name -> rules, a base chain's first rule being its hook.

    Arguments: ``cluster_cidr``: the pods' network; what does not come from it is masqueraded on its way to a Service
    ("" masquerades nothing but node ports). ``node_port_addresses``: networks to which node ports are restricted.
    """
    mark = f"meta mark set meta mark | {MASQUERADE_MARK:#x}"
    to_node = _TO_NODE + (f" ip daddr {{ {', '.join(node_port_addresses)} }}" if node_port_addresses else "")
    masquerade_cluster = [f"ip daddr @cluster-addresses ip saddr != {cluster_cidr} {mark}"] if cluster_cidr else []
    from_pods = (
        [f"{to_node} ip saddr {cluster_cidr} meta l4proto . th dport vmap @pod-node-ports"] if cluster_cidr else []
    )
    unserved = (
        "ip daddr . meta l4proto . th dport @dropped drop",
        "ip daddr . meta l4proto . th dport @rejected reject",
        f"{to_node} meta l4proto . th dport @dropped-node-ports drop",
        f"{to_node} meta l4proto . th dport @rejected-node-ports reject",
    )
    return {
        "services": (
            *masquerade_cluster,
            f"ip daddr @external-addresses {mark}",
            "ip daddr . meta l4proto . th dport vmap @services",
            *from_pods,
            f"{to_node} meta l4proto . th dport vmap @node-ports",
        ),
        "unserved": unserved,
        "nat-prerouting": ("type nat hook prerouting priority dstnat; policy accept;", "jump services"),
        "nat-output": ("type nat hook output priority -100; policy accept;", "jump services"),
        "nat-postrouting": (
            "type nat hook postrouting priority srcnat; policy accept;",
            "ct status dnat ip saddr . ip daddr @hairpin masquerade fully-random",
            f"meta mark & {MASQUERADE_MARK:#x} == {MASQUERADE_MARK:#x} "
            f"meta mark set meta mark ^ {MASQUERADE_MARK:#x} masquerade fully-random",
        ),
        "filter-input": ("type filter hook input priority -110; policy accept;", "ct state new jump unserved"),
        "filter-forward": ("type filter hook forward priority -110; policy accept;", "ct state new jump unserved"),
        "filter-output": ("type filter hook output priority -110; policy accept;", "ct state new jump unserved"),
    }


def balancer(kind: str, count: int) -> tuple[str, tuple[str, ...]]:
    """The shared chain that picks one of ``count`` endpoints: (name, rules).

    ``kind`` is "endpoints" (looked up by address and port) or one of the node ports' three.
    """
    mark = f"meta mark set meta mark | {MASQUERADE_MARK:#x}"
    pick = f"numgen random mod {count}"
    key, endpoints = {
        "endpoints": (_BY_ADDRESS, "service-endpoints"),
        "nodeport": (_BY_PORT, "node-port-endpoints"),
        "local-nodeport": (_BY_PORT, "node-port-endpoints"),
        "pod-nodeport": (_BY_PORT, "pod-node-port-endpoints"),
    }[kind]
    rules = [f"meta l4proto {p} dnat ip to {key} . {pick} map @{endpoints}-{p}" for p in PROTOCOLS]
    if kind == "nodeport":
        # another machine's endpoint must answer through this machine; the policy Local keeps the client's address
        rules.insert(0, mark)
    return f"{kind}-{count}", tuple(rules)
