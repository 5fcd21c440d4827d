"""What the scheduler counts, under upstream's names."""

from __future__ import annotations

import pytest
from scheduling_objects import node, pod

from kprov.kube.scheduler import instruments
from kprov.kube.scheduler.cluster import Cluster
from kprov.kube.scheduler.configuration import Profile
from kprov.kube.scheduler.framework import Unschedulable
from kprov.kube.scheduler.pod_info import PodInfo
from kprov.kube.scheduler.profiles import framework_of
from kprov.kube.scheduler.queue import SchedulingQueue


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


async def test_pods_are_counted_on_their_way_through_the_queue() -> None:
    before, clock = dict(instruments.INCOMING.values), Clock()

    def came() -> dict[tuple[str, ...], float]:
        counted = instruments.INCOMING.values.items()
        return {key: number - before.get(key, 0) for key, number in counted if number != before.get(key, 0)}

    queue = SchedulingQueue(1, 10, clock)
    queue.add(PodInfo(pod("a")))
    gated = PodInfo(pod("gated", schedulingGates=[{"name": "g"}]))
    queue.add(gated)
    queue.add(gated)
    assert came() == {("PodAdd", "active"): 1, ("PodAdd", "gated"): 1}
    entry = queue.pop_ready()
    assert entry
    queue.failed(entry, frozenset({"NodeResourcesFit", "TaintToleration"}))
    assert instruments._blamed(queue) == {
        ("NodeResourcesFit", "default-scheduler"): 1,
        ("TaintToleration", "default-scheduler"): 1,
    }
    queue.event(["NodeResourcesFit"])
    clock.time += 5
    assert queue.pop_ready()
    assert came() == {
        ("PodAdd", "active"): 1,
        ("PodAdd", "gated"): 1,
        ("ScheduleAttemptFailure", "unschedulable"): 1,
        ("ClusterEvent", "backoff"): 1,
        ("BackoffComplete", "active"): 1,
    }
    assert instruments._blamed(queue) == {}


def test_the_size_of_what_is_known_is_told() -> None:
    cluster = Cluster()
    cluster.put_node(node("n"))
    assert cluster.sizes == {"nodes": 1, "pods": 0, "assumed_pods": 0}
    cluster.assume(PodInfo(pod("a")), "n")
    assert cluster.sizes == {"nodes": 1, "pods": 1, "assumed_pods": 1}


def test_plugins_are_timed_one_by_one_for_some_of_the_pods() -> None:
    before = {key: series[:] for key, series in instruments.PLUGIN_SECONDS.series.items()}

    def came() -> dict[tuple[str, ...], float]:
        now = instruments.PLUGIN_SECONDS.series
        counts = {key: sum(series[:-1]) - sum(before.get(key, (0.0, 0.0))[:-1]) for key, series in now.items()}
        return {key: count for key, count in counts.items() if count}

    framework, cluster = framework_of(Profile(), seed=1), Cluster()
    cluster.put_node(node("a"))
    cluster.put_node(node("b"))
    cycle = framework.cycle(cluster, PodInfo(pod("seen")))
    cycle.timed = False
    framework.find_feasible(cycle)
    framework.best(cycle)
    assert came() == {}
    cycle = framework.cycle(cluster, PodInfo(pod("seen")))
    cycle.timed = True
    framework.find_feasible(cycle)
    framework.best(cycle)
    assert came()[("NodeResourcesFit", "Filter", "Success")] == 1
    assert came()[("NodeResourcesFit", "Score", "Success")] == 1
    assert {point for _, point, _ in came()} == {"PreFilter", "Filter", "Score"}
    cycle = framework.cycle(cluster, PodInfo(pod("none", nodeSelector={"no": "such"})))
    cycle.timed = True
    with pytest.raises(Unschedulable):
        framework.find_feasible(cycle)
    assert came()[("NodeAffinity", "Filter", "Unschedulable")] == 1
    assert sum(framework.cycle(cluster, PodInfo(pod("one"))).timed for _ in range(2000)) in range(50, 500)
