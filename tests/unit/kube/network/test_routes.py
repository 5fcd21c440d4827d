"""Routes between nodes: which are wanted, which are ours, and what is told to ip."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.network.cni import conflist, write_conflist
from kprov.kube.network.masquerade import ruleset
from kprov.kube.network.routes import PROTOCOL, Route, commands, fence, own_routes, service_route, wanted_routes


def node(name: str, network: str = "", address: str = "") -> dict[str, Any]:
    addresses = [{"type": "Hostname", "address": name}] + (
        [{"type": "InternalIP", "address": address}] if address else []
    )
    spec = {"podCIDR": network, "podCIDRs": [network]} if network else {}
    return {"metadata": {"name": name}, "spec": spec, "status": {"addresses": addresses}}


def test_every_other_node_that_has_both_gets_a_route() -> None:
    nodes = [
        node("cp1", "10.244.0.0/24", "192.0.2.11"),
        node("w1", "10.244.1.0/24", "192.0.2.21"),
        node("w2", "10.244.2.0/24"),
        node("w3", address="192.0.2.23"),
    ]
    assert wanted_routes(nodes, "cp1") == {Route("10.244.1.0/24", "192.0.2.21")}


LISTED = [
    {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
    {"dst": "192.0.2.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link"},
    {"dst": "10.244.1.0/24", "gateway": "192.0.2.21", "dev": "eth0", "protocol": PROTOCOL},
    {"dst": "10.244.9.0/24", "gateway": "192.0.2.29", "dev": "eth0", "protocol": "static"},
    {"dst": "10.244.7.5", "gateway": "192.0.2.27", "dev": "eth0", "protocol": PROTOCOL},
]


def test_only_our_own_routes_are_seen() -> None:
    assert own_routes(LISTED) == {Route("10.244.1.0/24", "192.0.2.21"), Route("10.244.7.5/32", "192.0.2.27")}


@pytest.mark.parametrize(
    ("present", "wanted", "told"),
    [
        (set(), set(), []),
        (
            {Route("10.244.1.0/24", "192.0.2.21")},
            {Route("10.244.1.0/24", "192.0.2.99")},
            [f"route replace 10.244.1.0/24 via 192.0.2.99 proto {PROTOCOL}"],
        ),
        (
            {Route("10.244.1.0/24", "192.0.2.21")},
            {Route("10.244.2.0/24", "192.0.2.22")},
            [
                f"route del 10.244.1.0/24 via 192.0.2.21 proto {PROTOCOL}",
                f"route replace 10.244.2.0/24 via 192.0.2.22 proto {PROTOCOL}",
            ],
        ),
    ],
)
def test_what_differs_is_told(present: set[Route], wanted: set[Route], told: list[str]) -> None:
    assert commands(present, wanted) == told


def test_packets_to_pods_that_no_route_leads_to_stay_here() -> None:
    stands = {"type": "blackhole", "dst": "10.244.0.0/16", "protocol": PROTOCOL, "flags": []}
    former = {**stands, "dst": "10.200.0.0/16"}
    of_another = {**stands, "dst": "10.201.0.0/16", "protocol": "static"}
    told = f"route replace blackhole 10.244.0.0/16 proto {PROTOCOL}"
    assert fence(LISTED, "10.244.0.0/16") == [told]
    assert fence([*LISTED, stands], "10.244.0.0/16") == []
    assert fence([*LISTED, former, of_another], "10.244.0.0/16") == [
        f"route del blackhole 10.200.0.0/16 proto {PROTOCOL}",
        told,
    ]
    assert own_routes([stands, former]) == set()


def test_services_need_a_route_only_without_a_default_route() -> None:
    assert service_route(LISTED, "10.96.0.0/16", "192.0.2.11") == ""
    without = [entry for entry in LISTED if entry["dst"] != "default"]
    told = service_route(without, "10.96.0.0/16", "192.0.2.11")
    assert told == f"route replace 10.96.0.0/16 dev eth0 src 192.0.2.11 scope link proto {PROTOCOL}"
    assert service_route([*without, {"dst": "10.96.0.0/16", "dev": "eth0"}], "10.96.0.0/16", "192.0.2.11") == ""


def test_the_configuration_is_written_once(tmp_path: Any) -> None:
    assert write_conflist(str(tmp_path), "10.244.1.0/24") is True
    assert write_conflist(str(tmp_path), "10.244.1.0/24") is False
    assert [path.name for path in tmp_path.iterdir()] == ["10-kprov.conflist"]
    assert conflist("10.244.1.0/24")["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]


def test_neither_pods_nor_machines_are_masqueraded() -> None:
    rules = ruleset("10.244.1.0/24", "10.244.0.0/16", ["192.0.2.11", "192.0.2.21"])
    assert "elements = { 10.244.0.0/16, 192.0.2.11, 192.0.2.21 }" in rules
    assert "ip saddr 10.244.1.0/24 ip daddr != @known" in rules
