"""Heartbeats, taints, eviction, pod ranges and pods of nodes that are gone."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from kprov.kube.api import clock, errors
from kprov.kube.api.kinds import LEASES, NODES, PODS
from kprov.kube.api.tolerations import tolerates
from kprov.kube.controllers import pod_state, taints
from kprov.kube.controllers.node_eviction import TaintEviction
from kprov.kube.controllers.node_ipam import NodeIpam, RangeFull, Shares
from kprov.kube.controllers.node_lifecycle import NodeLifecycle
from kprov.kube.controllers.podgc import QUARANTINE, PodGarbageCollector

Object = dict[str, Any]


@pytest.fixture
def hands(monkeypatch):
    """A clock that the test moves; ``jump`` is what somebody has set the machine's time forward by."""

    class Hands:
        time = 1_800_000_000.0
        jump = 0.0

    monkeypatch.setattr(clock, "seconds", lambda: Hands.time + Hands.jump)
    monkeypatch.setattr(clock, "steady", lambda: Hands.time)
    return Hands


def node(name: str, **labels: str) -> Object:
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": {"conditions": [ready]}}


def pod(name: str, node_name: str, **spec: Any) -> Object:
    ready = [{"type": "Ready", "status": "True"}]
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": node_name, "containers": [], **spec},
        "status": {"phase": "Running", "conditions": ready},
    }


def beat(cluster, name: str, when: float) -> None:
    renewed = {"renewTime": clock.format_time(when)}
    if cluster.find(LEASES, name, "kube-node-lease") is None:
        cluster.add(LEASES, {"metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": renewed})
    else:
        cluster.change(LEASES, name, "kube-node-lease", spec=renewed)


def no_execute(cluster, name: str) -> list[str]:
    return [t["key"] for t in taints.no_execute(cluster.find(NODES, name))]


async def lifecycle(bench, cluster, hands, names, **labels):
    for name in names:
        cluster.add(NODES, node(name, **labels))
        beat(cluster, name, hands.time)
    bench.options.node_monitor_period = 3600.0  # the test itself says when to look
    controller, _ = await bench.start(NodeLifecycle, TaintEviction)
    await bench.until(lambda: controller._last_pass is not None)

    async def pass_by(seconds: float, alive: list[str]) -> None:
        for _ in range(int(seconds // 5)):
            hands.time += 5
            bench.options.node_monitor_period = 5.0
            for name in alive:
                beat(cluster, name, hands.time)
            await controller.monitor()
            await bench.settle()

    return controller, pass_by


async def test_a_silent_node_becomes_unknown_tainted_and_loses_its_pods(bench, cluster, hands):
    _, pass_by = await lifecycle(bench, cluster, hands, ["n1", "n2", "n3"])
    cluster.add(PODS, pod("plain", "n1"))
    stays = [{"key": taints.UNREACHABLE, "operator": "Exists", "effect": "NoExecute"}]
    cluster.add(PODS, pod("daemon", "n1", tolerations=stays))
    await pass_by(35, ["n2", "n3"])
    assert pod_state.is_ready(cluster.find(NODES, "n1"))
    await pass_by(15, ["n2", "n3"])
    ready = pod_state.condition(cluster.find(NODES, "n1"), "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert no_execute(cluster, "n1") == [taints.UNREACHABLE]
    effects = {(t["key"], t["effect"]) for t in cluster.find(NODES, "n1")["spec"]["taints"]}
    assert (taints.UNREACHABLE, "NoSchedule") in effects
    await bench.until(lambda: cluster.find(PODS, "plain", "default") is None)
    assert not pod_state.is_ready(cluster.find(PODS, "daemon", "default"))
    assert no_execute(cluster, "n2") == []
    # and back
    cluster.change(NODES, "n1", status=node("n1")["status"])
    await pass_by(10, ["n1", "n2", "n3"])
    assert not cluster.find(NODES, "n1")["spec"].get("taints")


@pytest.mark.parametrize("jump", [90 * 86400.0, -90 * 86400.0])
async def test_a_jump_of_the_time_makes_no_node_silent_and_hides_none(bench, cluster, hands, jump):
    _, pass_by = await lifecycle(bench, cluster, hands, ["n1", "n2", "n3"])
    stays = {"key": taints.UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    cluster.add(PODS, pod("patient", "n1", tolerations=[stays]))
    await pass_by(10, ["n1", "n2", "n3"])
    hands.jump = jump
    await pass_by(10, ["n1", "n2", "n3"])
    assert all(pod_state.is_ready(n) for n in cluster.of(NODES))
    await pass_by(50, ["n2", "n3"])  # one that is silent is found out as ever
    assert not pod_state.is_ready(cluster.find(NODES, "n1")) and no_execute(cluster, "n1") == [taints.UNREACHABLE]
    hands.jump = -jump
    await pass_by(100, ["n2", "n3"])
    assert cluster.find(PODS, "patient", "default") is not None


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_pods_stay_beside_a_taint_is_as_long_as_it_was(bench, cluster, hands, jump):
    tainted = node("n1")
    added = clock.format_time(hands.time - 100)
    tainted["spec"]["taints"] = [{"key": taints.UNREACHABLE, "effect": "NoExecute", "timeAdded": added}]
    cluster.add(NODES, tainted)
    stays = {"key": taints.UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    cluster.add(PODS, pod("patient", "n1", tolerations=[stays]))
    (eviction,) = await bench.start(TaintEviction)
    await bench.until(lambda: eviction._since)
    hands.jump = jump
    hands.time += 190
    await eviction.reconcile("default/patient")
    assert cluster.find(PODS, "patient", "default") is not None
    hands.time += 20
    await eviction.reconcile("default/patient")
    assert cluster.find(PODS, "patient", "default") is None


async def test_nobody_is_driven_away_when_no_node_answers(bench, cluster, hands):
    _, pass_by = await lifecycle(bench, cluster, hands, ["n1", "n2", "n3"])
    cluster.add(PODS, pod("plain", "n1"))
    await pass_by(120, [])
    assert all(not pod_state.is_ready(n) for n in cluster.of(NODES))
    assert [no_execute(cluster, n) for n in ("n1", "n2", "n3")] == [[], [], []]
    assert cluster.find(PODS, "plain", "default") is not None


async def test_time_without_the_api_server_counts_against_no_node(bench, cluster, hands):
    controller, pass_by = await lifecycle(bench, cluster, hands, ["n1", "n2"])
    await pass_by(10, ["n1", "n2"])

    def away(verb, resource, name):
        raise errors.internal("away")

    cluster.refuse = away
    for _ in range(20):
        hands.time += 5
        await controller.monitor()
    cluster.refuse = lambda *_: None
    await controller.monitor()
    await bench.settle()
    assert all(pod_state.is_ready(n) for n in cluster.of(NODES))


async def test_a_sick_small_zone_stops_the_eviction(bench, cluster, hands):
    names = ["n1", "n2", "n3", "n4", "n5"]
    _, pass_by = await lifecycle(bench, cluster, hands, names)
    await pass_by(200, ["n1", "n2"])
    assert sum(bool(no_execute(cluster, n)) for n in names) <= 1


async def test_conditions_become_no_schedule_taints(bench, cluster, hands):
    cluster.add(NODES, node("n1"))
    await bench.start(NodeLifecycle)
    cluster.change(
        NODES,
        "n1",
        spec={"unschedulable": True},
        status={"conditions": [{"type": "Ready", "status": "False"}, {"type": "DiskPressure", "status": "True"}]},
    )
    wanted = {taints.UNSCHEDULABLE, taints.NOT_READY, taints.DISK_PRESSURE}
    await bench.until(
        lambda: (
            {t["key"] for t in cluster.find(NODES, "n1")["spec"].get("taints", []) if t["effect"] == "NoSchedule"}
            == wanted
        )
    )


async def test_a_toleration_with_seconds_is_counted_from_the_taint(bench, cluster, hands):
    tainted = node("n1")
    added = clock.format_time(hands.time - 299)
    tainted["spec"]["taints"] = [{"key": taints.UNREACHABLE, "effect": "NoExecute", "timeAdded": added}]
    cluster.add(NODES, tainted)
    for name, seconds in (("soon", 299), ("later", 3000)):
        stays = {"key": taints.UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        cluster.add(PODS, pod(name, "n1", tolerations=[stays]))
    await bench.start(TaintEviction)
    await bench.until(lambda: cluster.find(PODS, "soon", "default") is None)
    assert cluster.find(PODS, "later", "default") is not None


async def test_every_node_gets_its_own_range_and_keeps_it(bench, cluster):
    bench.options.cluster_cidr, bench.options.service_cluster_ip_range = "10.244.0.0/16", "10.96.0.0/16"
    cluster.add(
        NODES, {"metadata": {"name": "old"}, "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]}}
    )
    for index in range(20):
        cluster.add(NODES, {"metadata": {"name": f"n{index}"}, "spec": {}})
    await bench.start(NodeIpam)
    await bench.until(lambda: all(n["spec"].get("podCIDR") for n in cluster.of(NODES)))
    ranges = [n["spec"]["podCIDR"] for n in cluster.of(NODES)]
    assert len(set(ranges)) == 21
    assert cluster.find(NODES, "old")["spec"]["podCIDR"] == "10.244.1.0/24"
    assert all(n["spec"]["podCIDRs"] == [n["spec"]["podCIDR"]] for n in cluster.of(NODES))


def test_shares_are_given_in_turn_and_never_twice():
    shares = Shares(ipaddress.ip_network("10.0.0.0/22"), 24, ipaddress.ip_network("10.0.1.0/28"))
    first, second, third = (shares.allocate() for _ in range(3))
    assert [str(s) for s in (first, second, third)] == ["10.0.0.0/24", "10.0.2.0/24", "10.0.3.0/24"]
    with pytest.raises(RangeFull, match="no share of"):
        shares.allocate()
    shares.release(first)
    assert shares.allocate() == first


async def test_pods_of_a_node_that_is_gone_are_deleted_after_asking(bench, cluster, hands):
    cluster.add(NODES, node("n1"))
    cluster.add(PODS, pod("here", "n1"))
    cluster.add(PODS, pod("lost", "gone"))
    (collector,) = await bench.start(PodGarbageCollector)
    await collector.sweep()
    assert cluster.find(PODS, "lost", "default")
    hands.time += QUARANTINE + 1
    await collector.sweep()
    assert cluster.find(PODS, "lost", "default") is None
    assert cluster.find(PODS, "here", "default")


async def test_no_answer_about_a_node_deletes_nothing(bench, cluster, hands):
    cluster.add(PODS, pod("lost", "gone"))
    (collector,) = await bench.start(PodGarbageCollector)
    await collector.sweep()
    hands.time += QUARANTINE + 1

    def refuse(verb, resource, name):
        if (verb, resource) == ("get", NODES):
            raise errors.internal("etcd is away")

    cluster.refuse = refuse
    await collector.sweep()
    assert cluster.find(PODS, "lost", "default")


async def test_finished_pods_beyond_the_threshold_go_oldest_first(bench, cluster, hands):
    bench.options.terminated_pod_gc_threshold = 2
    cluster.add(NODES, node("n1"))
    for index in range(4):
        done = pod(f"p{index}", "n1")
        done["metadata"]["creationTimestamp"] = clock.format_time(hands.time + index)
        done["status"]["phase"] = "Succeeded"
        cluster.add(PODS, done)
    (collector,) = await bench.start(PodGarbageCollector)
    await collector.sweep()
    assert [p["metadata"]["name"] for p in cluster.of(PODS)] == ["p2", "p3"]


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "a", "operator": "Equal", "value": "1", "effect": "NoExecute"}, True),
        ({"key": "a", "value": "2"}, False),
        ({"key": "a", "operator": "Exists", "effect": "NoSchedule"}, False),
        ({"key": "b", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration, expected):
    assert tolerates(toleration, {"key": "a", "value": "1", "effect": "NoExecute"}) is expected
