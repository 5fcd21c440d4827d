"""Jobs and DaemonSets on a cluster in memory."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.api.kinds import CONTROLLER_REVISIONS, DAEMON_SETS, JOBS, NODES, PODS
from kprov.kube.api.node_affinity import wants_node
from kprov.kube.controllers import job as job_module
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.daemonset import DaemonSetController, node_of
from kprov.kube.controllers.job import JobController, compress

Object = dict[str, Any]


def job(**spec: Any) -> Object:
    labels = {"controller-uid": "j"}
    body = {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}},
        **spec,
    }
    return {"metadata": {"name": "job", "namespace": "default"}, "spec": body}


def finish(cluster, phase: str = "Succeeded", count: int = 100) -> None:
    for pod in [p for p in cluster.of(PODS) if pod_state.is_active(p)][:count]:
        cluster.change(PODS, pod["metadata"]["name"], "default", status={"phase": phase})


def status_of(cluster) -> Object:
    return cluster.find(JOBS, "job", "default").get("status") or {}


def has(cluster, kind: str) -> Object | None:
    return pod_state.condition({"status": status_of(cluster)}, kind)


async def test_a_job_runs_as_many_as_asked_at_once_until_enough_have_succeeded(bench, cluster):
    cluster.add(JOBS, job(parallelism=2, completions=5))
    await bench.start(JobController)
    most = 0
    while not has(cluster, "Complete"):
        await bench.until(lambda: has(cluster, "Complete") or any(map(pod_state.is_active, cluster.of(PODS))))
        await bench.settle()
        most = max(most, sum(map(pod_state.is_active, cluster.of(PODS))))
        finish(cluster)
    assert most == 2
    status = status_of(cluster)
    assert status["succeeded"] == 5 and status["completionTime"] and not status.get("active")
    assert len(cluster.of(PODS)) == 5


async def test_too_many_failures_fail_the_job(bench, cluster, monkeypatch):
    monkeypatch.setattr(job_module, "FIRST_RETRY", 0.0)
    cluster.add(JOBS, job(backoffLimit=2))
    await bench.start(JobController)
    for _ in range(3):
        await bench.until(lambda: any(map(pod_state.is_active, cluster.of(PODS))))
        finish(cluster, "Failed")
        await bench.settle()
    failed = await bench.until(lambda: has(cluster, "Failed"))
    assert failed["reason"] == "BackoffLimitExceeded"
    assert status_of(cluster)["failed"] == 3


async def test_a_failed_pod_is_not_replaced_at_once(bench, cluster):
    cluster.add(JOBS, job())
    await bench.start(JobController)
    await bench.until(lambda: cluster.of(PODS))
    finish(cluster, "Failed")
    await bench.until(lambda: status_of(cluster).get("failed") == 1)
    await bench.settle()
    assert len(cluster.of(PODS)) == 1


async def test_the_deadline_ends_a_job_and_its_pods(bench, cluster):
    cluster.add(JOBS, job(activeDeadlineSeconds=2))  # startTime has whole seconds: one may be over at once
    await bench.start(JobController)
    await bench.until(lambda: cluster.of(PODS))
    failed = await bench.until(lambda: has(cluster, "Failed"), seconds=8)
    assert failed["reason"] == "DeadlineExceeded"
    assert not cluster.of(PODS)


async def test_suspending_stops_and_resuming_starts(bench, cluster):
    cluster.add(JOBS, job(suspend=True))
    await bench.start(JobController)
    await bench.until(lambda: has(cluster, "Suspended"))
    assert not cluster.of(PODS)
    cluster.change(JOBS, "job", "default", spec={"suspend": False})
    await bench.until(lambda: cluster.of(PODS))
    cluster.change(JOBS, "job", "default", spec={"suspend": True})
    await bench.until(lambda: not cluster.of(PODS))
    await bench.until(lambda: has(cluster, "Suspended")["status"] == "True")


async def test_an_indexed_job_gives_every_index_once(bench, cluster):
    cluster.add(JOBS, job(parallelism=3, completions=3, completionMode="Indexed"))
    await bench.start(JobController)
    await bench.until(lambda: len(cluster.of(PODS)) == 3)
    assert sorted(p["spec"]["hostname"] for p in cluster.of(PODS)) == ["job-0", "job-1", "job-2"]
    finish(cluster)
    await bench.until(lambda: has(cluster, "Complete"))
    assert status_of(cluster)["completedIndexes"] == "0-2"


@pytest.mark.parametrize(
    ("indexes", "text"), [(set(), ""), ({0}, "0"), ({0, 1}, "0,1"), ({0, 1, 2, 5}, "0-2,5"), ({1, 3, 4}, "1,3,4")]
)
def test_indexes_are_compressed(indexes, text):
    assert compress(indexes) == text


# -- DaemonSets


def daemon_set(image: str = "one", **spec: Any) -> Object:
    pod = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    body = {
        "selector": {"matchLabels": {"app": "d"}},
        "template": pod,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        "revisionHistoryLimit": 10,
        **spec,
    }
    return {"metadata": {"name": "d", "namespace": "default"}, "spec": body}


def add_nodes(cluster, *names: str, **labels: str) -> None:
    for name in names:
        cluster.add(NODES, {"metadata": {"name": name, "labels": labels}, "spec": {}})


def daemon_status(cluster) -> Object:
    return cluster.find(DAEMON_SETS, "d", "default").get("status") or {}


async def test_one_pod_on_each_node_that_fits(bench, cluster):
    add_nodes(cluster, "a", "b", disk="ssd")
    add_nodes(cluster, "c")
    cluster.add(NODES, {"metadata": {"name": "t"}, "spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}})
    cordoned = [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    cluster.add(NODES, {"metadata": {"name": "u"}, "spec": {"taints": cordoned}})
    cluster.add(DAEMON_SETS, daemon_set())
    await bench.start(DaemonSetController)
    await bench.until(lambda: len(cluster.of(PODS)) == 4)
    assert sorted(map(node_of, cluster.of(PODS))) == ["a", "b", "c", "u"]
    add_nodes(cluster, "e")
    await bench.until(lambda: len(cluster.of(PODS)) == 5)
    cluster.run_pods()
    await bench.until(lambda: daemon_status(cluster).get("numberReady") == 5)
    assert daemon_status(cluster)["desiredNumberScheduled"] == 5
    cluster.change(DAEMON_SETS, "d", "default", spec={"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}})
    await bench.until(lambda: sorted(map(node_of, cluster.of(PODS))) == ["a", "b"])


async def test_a_new_template_replaces_one_node_after_the_other(bench, cluster):
    add_nodes(cluster, "a", "b", "c")
    cluster.add(DAEMON_SETS, daemon_set())
    await bench.start(DaemonSetController)
    await bench.until(lambda: len(cluster.of(PODS)) == 3)
    cluster.run_pods()
    await bench.until(lambda: daemon_status(cluster).get("numberAvailable") == 3)
    cluster.change(DAEMON_SETS, "d", "default", spec={"template": daemon_set("two")["spec"]["template"]})
    least = 3

    def updated() -> bool:
        nonlocal least
        least = min(least, sum(map(pod_state.is_ready, cluster.of(PODS))))
        if len(cluster.of(PODS)) == 3:
            cluster.run_pods()
        images = [p["spec"]["containers"][0]["image"] for p in cluster.of(PODS)]
        return images == ["two"] * 3 and daemon_status(cluster).get("updatedNumberScheduled") == 3

    await bench.until(updated, seconds=10)
    assert least == 2
    assert [r["revision"] for r in cluster.of(CONTROLLER_REVISIONS)] in ([1, 2], [2, 1])


async def test_a_failed_daemon_pod_is_replaced(bench, cluster):
    add_nodes(cluster, "a")
    cluster.add(DAEMON_SETS, daemon_set())
    await bench.start(DaemonSetController)
    (first,) = await bench.until(lambda: cluster.of(PODS))
    cluster.change(PODS, first["metadata"]["name"], "default", status={"phase": "Failed"})
    await bench.until(lambda: cluster.of(PODS) and cluster.of(PODS)[0]["metadata"]["name"] != first["metadata"]["name"])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "zone", "operator": "In", "values": ["a"]}, True),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, False),
        ({"key": "none", "operator": "DoesNotExist"}, True),
        ({"key": "cpus", "operator": "Gt", "values": ["3"]}, True),
        ({"key": "cpus", "operator": "Lt", "values": ["3"]}, False),
        ({"key": "zone", "operator": "Gt", "values": ["3"]}, False),
    ],
)
def test_node_affinity(expression, expected):
    node = {"metadata": {"name": "n", "labels": {"zone": "a", "cpus": "4"}}}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    spec = {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}
    assert wants_node(spec, node) is expected
