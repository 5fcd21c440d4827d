"""Endpoints and EndpointSlices."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.api.kinds import ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES
from kprov.kube.controllers.endpoints import EndpointsController
from kprov.kube.controllers.endpointslice import EndpointSliceController, arrange
from kprov.kube.controllers.service_endpoints import target_port

Object = dict[str, Any]


def service(**spec: Any) -> Object:
    body = {
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        "ipFamilies": ["IPv4"],
        "clusterIP": "10.96.0.5",
        **spec,
    }
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": body}


def pod(name: str, ip: str, *, ready: bool = True, node: str = "n1", port: int = 8080, **spec: Any) -> Object:
    ports = [{"name": "http", "containerPort": port}]
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"nodeName": node, "containers": [{"name": "c", "ports": ports}], **spec},
        "status": {
            "phase": "Running",
            "podIP": ip,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


async def test_ready_pods_are_addresses_and_others_wait(bench, cluster):
    cluster.add(NODES, {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z"}}, "spec": {}})
    cluster.add(SERVICES, service())
    cluster.add(PODS, pod("a", "10.0.0.1"))
    cluster.add(PODS, pod("b", "10.0.0.2", ready=False))
    done = pod("c", "10.0.0.3")
    done["status"]["phase"] = "Succeeded"
    cluster.add(PODS, done)
    await bench.start(EndpointsController, EndpointSliceController)
    found = await bench.until(lambda: cluster.find(ENDPOINTS, "web", "default"))
    (subset,) = found["subsets"]
    assert [a["ip"] for a in subset["addresses"]] == ["10.0.0.1"]
    assert [a["ip"] for a in subset["notReadyAddresses"]] == ["10.0.0.2"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    (piece,) = await bench.until(lambda: cluster.of(ENDPOINT_SLICES))
    assert piece["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    by_ip = {e["addresses"][0]: e for e in piece["endpoints"]}
    assert by_ip["10.0.0.1"]["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert by_ip["10.0.0.2"]["conditions"]["ready"] is False
    assert (by_ip["10.0.0.1"]["zone"], by_ip["10.0.0.1"]["nodeName"]) == ("z", "n1")
    cluster.change(PODS, "b", "default", status={"conditions": [{"type": "Ready", "status": "True"}]})
    await bench.until(lambda: len(cluster.find(ENDPOINTS, "web", "default")["subsets"][0]["addresses"]) == 2)
    await bench.until(lambda: all(e["conditions"]["ready"] for e in cluster.of(ENDPOINT_SLICES)[0]["endpoints"]))
    assert cluster.of(ENDPOINT_SLICES)[0]["metadata"]["name"] == piece["metadata"]["name"]


async def test_a_leaving_pod_still_serves_but_is_not_ready(bench, cluster):
    cluster.add(SERVICES, service())
    leaving = pod("a", "10.0.0.1")
    leaving["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}
    cluster.add(PODS, leaving)
    await bench.start(EndpointsController, EndpointSliceController)
    (piece,) = await bench.until(lambda: cluster.of(ENDPOINT_SLICES))
    assert piece["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}
    await bench.until(lambda: cluster.find(ENDPOINTS, "web", "default"))
    assert cluster.find(ENDPOINTS, "web", "default")["subsets"] == []


async def test_headless_names_and_early_publication(bench, cluster):
    cluster.add(SERVICES, service(clusterIP="None", publishNotReadyAddresses=True, ports=[]))
    cluster.add(PODS, pod("a", "10.0.0.1", ready=False, hostname="a", subdomain="web"))
    await bench.start(EndpointsController, EndpointSliceController)
    (piece,) = await bench.until(lambda: cluster.of(ENDPOINT_SLICES))
    assert piece["endpoints"][0]["hostname"] == "a"
    assert piece["endpoints"][0]["conditions"]["ready"] is True
    assert "service.kubernetes.io/headless" in piece["metadata"]["labels"]
    found = await bench.until(lambda: cluster.find(ENDPOINTS, "web", "default"))
    assert found["subsets"][0]["addresses"][0]["hostname"] == "a"


async def test_pods_with_other_numbers_of_a_named_port_stand_apart(bench, cluster):
    cluster.add(SERVICES, service())
    cluster.add(PODS, pod("a", "10.0.0.1"))
    cluster.add(PODS, pod("b", "10.0.0.2", port=9090))
    await bench.start(EndpointsController, EndpointSliceController)
    await bench.until(lambda: len(cluster.of(ENDPOINT_SLICES)) == 2)
    found = await bench.until(lambda: cluster.find(ENDPOINTS, "web", "default"))
    assert [s["ports"][0]["port"] for s in found["subsets"]] == [8080, 9090]


async def test_many_endpoints_are_split_and_one_change_is_one_write(bench, cluster):
    cluster.add(SERVICES, service())
    for index in range(250):
        cluster.add(PODS, pod(f"p{index:03}", f"10.0.{index // 200}.{index % 200}"))
    await bench.start(EndpointSliceController)
    await bench.until(lambda: sum(len(s["endpoints"]) for s in cluster.of(ENDPOINT_SLICES)) == 250)
    await bench.settle()
    assert sorted(len(s["endpoints"]) for s in cluster.of(ENDPOINT_SLICES)) == [50, 100, 100]
    before = len([c for c in cluster.calls if c[1] == "endpointslices"])
    await cluster.delete(PODS, "p007", "default")
    await bench.until(lambda: sum(len(s["endpoints"]) for s in cluster.of(ENDPOINT_SLICES)) == 249)
    await bench.settle()
    assert len([c for c in cluster.calls if c[1] == "endpointslices"]) == before + 1


async def test_a_service_without_pods_has_an_empty_slice_and_none_when_deleted(bench, cluster):
    cluster.add(SERVICES, service())
    await bench.start(EndpointsController, EndpointSliceController)
    (piece,) = await bench.until(lambda: cluster.of(ENDPOINT_SLICES))
    assert piece["endpoints"] == []
    await bench.until(lambda: cluster.of(ENDPOINTS))
    await cluster.delete(SERVICES, "web", "default")
    await bench.until(lambda: not cluster.of(ENDPOINTS) and not cluster.of(ENDPOINT_SLICES))


async def test_services_without_selector_are_left_to_others(bench, cluster):
    cluster.add(SERVICES, service(selector=None))
    cluster.add(ENDPOINTS, {"metadata": {"name": "web", "namespace": "default"}, "subsets": [{"by": "hand"}]})
    await bench.start(EndpointsController, EndpointSliceController)
    await bench.settle()
    assert cluster.find(ENDPOINTS, "web", "default")["subsets"] == [{"by": "hand"}]
    assert not cluster.of(ENDPOINT_SLICES)


def test_endpoints_stay_where_they_are():
    def one(name: str) -> Object:
        return {"addresses": [name], "targetRef": {"uid": name}}

    first, second = {"endpoints": [one("a"), one("b")]}, {"endpoints": [one("c")]}
    stay, spare, fresh = arrange([one(n) for n in "bcde"], [first, second], 2)
    assert {id(s): [e["addresses"][0] for e in es] for s, es in stay} == {id(first): ["b", "d"], id(second): ["c", "e"]}
    assert (spare, fresh) == ([], [])


@pytest.mark.parametrize(("target", "expected"), [(9, 9), ("http", 8080), ("missing", None), ("", 80)])
def test_target_ports(target, expected):
    assert target_port(pod("a", "1.1.1.1"), {"port": 80, "targetPort": target}) == expected
