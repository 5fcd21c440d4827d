"""From Services and EndpointSlices to the proxy's view of them."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.proxy.elements import contribution
from kprov.kube.proxy.service_ports import Endpoint, service_ports


def service(**spec: Any) -> dict[str, Any]:
    base = {"clusterIP": "10.96.0.20", "ports": [{"name": "web", "port": 80, "targetPort": 8080}]}
    return {"metadata": {"namespace": "default", "name": "web"}, "spec": base | spec}


def endpoint(address: str, node: str = "w1", **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": {"ready": True} | conditions}


def piece(*endpoints: dict[str, Any], port: int = 8080, name: str = "web", family: str = "IPv4") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": family,
        "ports": [{"name": name, "port": port, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


def test_ready_endpoints_of_the_right_port_are_used() -> None:
    [port] = service_ports(service(), [piece(endpoint("10.244.1.2"), endpoint("10.244.2.2", "w2"))], "w1")
    assert port.endpoints == (Endpoint("10.244.1.2", 8080, True), Endpoint("10.244.2.2", 8080, False))
    assert port.local_endpoints == (Endpoint("10.244.1.2", 8080, True),)


@pytest.mark.parametrize(
    ("conditions", "used"),
    [
        ({"ready": True}, True),
        ({"ready": False}, False),
        ({"ready": False, "serving": True, "terminating": True}, True),
        ({"ready": False, "serving": False, "terminating": True}, False),
    ],
)
def test_endpoints_that_terminate_serve_only_where_none_is_ready(conditions: dict[str, bool], used: bool) -> None:
    [alone] = service_ports(service(), [piece(endpoint("10.244.1.2", **conditions))], "w1")
    assert bool(alone.endpoints) is used
    pieces = [piece(endpoint("10.244.1.2", **conditions), endpoint("10.244.1.3"))]
    [beside] = service_ports(service(), pieces, "w1")
    assert (Endpoint("10.244.1.2", 8080, True) in beside.endpoints) is bool(conditions["ready"])


@pytest.mark.parametrize(
    "spec",
    [{"clusterIP": "None"}, {"clusterIP": ""}, {"type": "ExternalName", "clusterIP": None, "externalName": "x.org"}],
)
def test_headless_and_external_services_are_passed_over(spec: dict[str, Any]) -> None:
    assert service_ports(service(**spec), [piece(endpoint("10.244.1.2"))], "w1") == []


def test_a_service_for_another_proxy_is_passed_over() -> None:
    other = service()
    other["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "mine"}
    assert service_ports(other, [], "w1") == []


def test_another_port_and_another_family_are_not_mixed_in() -> None:
    pieces = [piece(endpoint("10.244.1.2"), name="other"), piece(endpoint("fd00::1"), family="IPv6")]
    [port] = service_ports(service(), pieces, "w1")
    assert port.endpoints == ()


def test_affinity_policies_and_addresses_are_read() -> None:
    [port] = service_ports(
        service(
            type="NodePort",
            ports=[{"name": "web", "port": 80, "nodePort": 30080, "protocol": "UDP"}],
            sessionAffinity="ClientIP",
            externalTrafficPolicy="Local",
            internalTrafficPolicy="Local",
            externalIPs=["192.0.2.1", "2001:db8::1"],
        ),
        [],
        "w1",
    )
    assert (port.protocol, port.node_port, port.affinity_seconds) == ("udp", 30080, 10800)
    assert (port.internal_local, port.external_local, port.external_addresses) == (True, True, ("192.0.2.1",))


@pytest.mark.parametrize(("policy", "marked"), [("Cluster", True), ("Local", False)])
def test_node_ports_with_affinity_answer_through_the_same_machine(policy: str, marked: bool) -> None:
    made = service(
        type="NodePort",
        ports=[{"name": "web", "port": 80, "nodePort": 30080}],
        sessionAffinity="ClientIP",
        externalTrafficPolicy=policy,
    )
    share = contribution(service_ports(made, [piece(endpoint("10.244.1.2"))], "w1"))
    goal = share.elements["node-ports", "tcp . 30080"].removeprefix("goto ")
    assert (share.chains[goal][0] == "meta mark set meta mark | 0x4000") is marked
    goal = share.elements["services", "10.96.0.20 . tcp . 80"].removeprefix("goto ")
    assert "mark" not in share.chains[goal][0]
