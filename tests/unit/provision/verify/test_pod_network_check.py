"""What a machine's routes and its pods' addresses must be, as the Nodes say."""

from __future__ import annotations

import json
from typing import Any

from kprov.kube.network.cni import conflist
from kprov.provision.verify.pod_network import wrong_ways


def node(name: str, network: str, address: str) -> dict[str, Any]:
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]
    return {"metadata": {"name": name}, "spec": {"podCIDR": network}, "status": {"addresses": addresses}}


NODES = [
    node("cp1", "10.244.0.0/24", "192.0.2.11"),
    node("w1", "10.244.1.0/24", "192.0.2.21"),
    node("w2", "10.244.2.0/24", "192.0.2.22"),
]


def said(share: str, *routes: tuple[str, str]) -> str:
    listed: list[dict[str, Any]] = [
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
        {"type": "blackhole", "dst": "10.244.0.0/16", "protocol": "149", "flags": []},
        *({"dst": network, "gateway": gateway, "dev": "eth0", "protocol": "149"} for network, gateway in routes),
    ]
    return json.dumps(listed) + "\n" + json.dumps(conflist(share), indent=2)


def test_a_machine_that_knows_all_is_right() -> None:
    text = said("10.244.0.0/24", ("10.244.1.0/24", "192.0.2.21"), ("10.244.2.0/24", "192.0.2.22"))
    assert list(wrong_ways("cp1", NODES, text)) == []


def test_a_way_that_is_missing_or_leads_elsewhere_is_named() -> None:
    found = "; ".join(wrong_ways("cp1", NODES, said("10.244.0.0/24", ("10.244.1.0/24", "192.0.2.99"))))
    assert "cp1 goes by 192.0.2.99 to the pods of w1 (10.244.1.0/24 by 192.0.2.21)" in found
    assert "cp1 has no way to the pods of w2 (10.244.2.0/24 by 192.0.2.22)" in found


def test_pods_get_addresses_of_their_nodes_share() -> None:
    former = said("10.244.9.0/24", ("10.244.0.0/24", "192.0.2.11"), ("10.244.2.0/24", "192.0.2.22"))
    assert list(wrong_ways("w1", NODES, former)) == [
        "w1 gives its pods addresses of 10.244.9.0/24, its share is 10.244.1.0/24"
    ]


def test_a_node_without_a_share_needs_no_way() -> None:
    bare = {"metadata": {"name": "new"}, "spec": {}, "status": {}}
    assert list(wrong_ways("cp1", [NODES[0], bare], said("10.244.0.0/24"))) == []
