"""ReplicaSets and Deployments on a cluster in memory."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.api import errors
from kprov.kube.api.kinds import DEPLOYMENTS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.deployment.controller import DeploymentController
from kprov.kube.controllers.deployment.numbers import fenceposts, proportions
from kprov.kube.controllers.replicaset import ReplicaSetController, ReplicationController

Object = dict[str, Any]


def template(image: str = "one") -> Object:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def replica_set(replicas: int, **spec: Any) -> Object:
    body = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": body}


def deployment(replicas: int, **spec: Any) -> Object:
    found = replica_set(replicas, **spec)
    found["spec"].setdefault(
        "strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    )
    found["spec"].setdefault("progressDeadlineSeconds", 600)
    found["spec"].setdefault("revisionHistoryLimit", 10)
    return found


async def test_a_replica_set_makes_pods_and_reports_them(bench, cluster):
    cluster.add(REPLICA_SETS, replica_set(3))
    await bench.start(ReplicaSetController)
    await bench.until(lambda: len(cluster.of(PODS)) == 3)
    cluster.run_pods()
    status = await bench.until(
        lambda: (
            (s := cluster.find(REPLICA_SETS, "web", "default").get("status", {})).get("availableReplicas") == 3 and s
        )
    )
    assert status == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "observedGeneration": 1,
    }
    await bench.settle()
    assert len([c for c in cluster.calls if c[:2] == ("create", "pods")]) == 3


async def test_scaling_down_gives_up_what_is_not_ready(bench, cluster):
    cluster.add(REPLICA_SETS, replica_set(2))
    await bench.start(ReplicaSetController)
    await bench.until(lambda: len(cluster.of(PODS)) == 2)
    cluster.run_pods()
    cluster.change(REPLICA_SETS, "web", "default", spec={"replicas": 4})
    await bench.until(lambda: len(cluster.of(PODS)) == 4)
    cluster.run_pods(ready=False)
    cluster.change(REPLICA_SETS, "web", "default", spec={"replicas": 2})
    await bench.until(lambda: len(cluster.of(PODS)) == 2)
    assert all(pod_state.is_ready(pod) for pod in cluster.of(PODS))


async def test_an_orphan_is_adopted_and_a_relabelled_pod_is_released(bench, cluster):
    cluster.add(PODS, {"metadata": {"name": "stray", "labels": {"app": "web"}}, "spec": {"containers": []}})
    cluster.add(REPLICA_SETS, replica_set(2))
    await bench.start(ReplicaSetController)
    await bench.until(lambda: len(cluster.of(PODS)) == 2)
    await bench.settle()
    assert len(cluster.of(PODS)) == 2
    assert cluster.find(PODS, "stray", "default")["metadata"]["ownerReferences"][0]["controller"]
    cluster.change(PODS, "stray", "default", metadata={"labels": {"app": "debug"}})
    await bench.until(lambda: len(cluster.of(PODS)) == 3)
    assert not cluster.find(PODS, "stray", "default")["metadata"]["ownerReferences"]


async def test_a_refused_creation_costs_one_call_a_sync_and_becomes_a_condition(bench, cluster):
    def refuse(verb, resource, name):
        if (verb, resource) == ("create", PODS):
            raise errors.forbidden(PODS, name, "exceeded quota: small")

    cluster.refuse = refuse
    cluster.add(REPLICA_SETS, replica_set(50))
    await bench.start(ReplicaSetController)
    status = await bench.until(
        lambda: (s := cluster.find(REPLICA_SETS, "web", "default").get("status", {})).get("conditions") and s
    )
    assert status["conditions"][0]["type"] == "ReplicaFailure"
    assert "exceeded quota" in status["conditions"][0]["message"]
    creations = [c for c in cluster.calls if c[:2] == ("create", "pods")]
    syncs = [c for c in cluster.calls if c[:2] == ("update/status", "replicasets")]
    assert len(creations) <= 10 * max(1, len(syncs))


async def test_a_replication_controller_does_the_same(bench, cluster):
    body = replica_set(2, selector={"app": "web"})
    cluster.add(REPLICATION_CONTROLLERS, body)
    await bench.start(ReplicationController)
    await bench.until(lambda: len(cluster.of(PODS)) == 2)
    assert cluster.of(PODS)[0]["metadata"]["ownerReferences"][0]["kind"] == "ReplicationController"


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (3, 0, 0, (0, 1)),
        (10, 2, 1, (2, 1)),
        (2, "0%", "10%", (0, 1)),
    ],
)
def test_surge_rounds_up_and_unavailable_down(replicas, surge, unavailable, expected):
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    assert fenceposts({"spec": {"replicas": replicas, "strategy": rolling}}) == expected


def test_scaling_in_mid_rollout_is_spread_by_proportion():
    def part(name: str, size: int, age: str) -> Object:
        marks = {"deployment.kubernetes.io/max-replicas": "13"}
        return {"metadata": {"name": name, "creationTimestamp": age, "annotations": marks}, "spec": {"replicas": size}}

    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    owner = {"spec": {"replicas": 15, "strategy": rolling}, "status": {"replicas": 13}}
    # The example of upstream's documentation: 8 + 5 become 11 + 7.
    assert proportions(owner, [part("old", 8, "1"), part("new", 5, "2")]) == {"old": 11, "new": 7}


async def rolled_out(bench, cluster, image: str) -> None:
    """Keep kubelets working until the deployment is complete with this image."""

    def complete() -> bool:
        cluster.run_pods()
        pods = cluster.of(PODS)
        status = cluster.find(DEPLOYMENTS, "web", "default").get("status") or {}
        found = cluster.find(DEPLOYMENTS, "web", "default")
        return (
            len(pods) == found["spec"]["replicas"]
            and all(pod["spec"]["containers"][0]["image"] == image for pod in pods)
            and status.get("updatedReplicas") == len(pods)
            and status.get("availableReplicas") == len(pods)
            and status.get("observedGeneration") == found["metadata"]["generation"]
        )

    await bench.until(complete, f"all pods run {image}", 10)


async def test_a_rolling_update_stays_within_its_bounds(bench, cluster):
    cluster.add(DEPLOYMENTS, deployment(4))
    await bench.start(DeploymentController, ReplicaSetController)
    await rolled_out(bench, cluster, "one")
    most, least = 0, 4
    store = cluster._store

    def observed(resource, obj, event):
        nonlocal most, least
        store(resource, obj, event)
        if resource == PODS:
            most = max(most, len(cluster.of(PODS)))
            least = min(least, sum(map(pod_state.is_ready, cluster.of(PODS))))

    drop = cluster._drop

    def dropped(resource, obj):
        nonlocal least
        drop(resource, obj)
        if resource == PODS:
            least = min(least, sum(map(pod_state.is_ready, cluster.of(PODS))))

    cluster._store, cluster._drop = observed, dropped
    cluster.change(DEPLOYMENTS, "web", "default", spec={"template": template("two")})
    await rolled_out(bench, cluster, "two")
    assert most == 5
    assert least == 4
    revisions = [rs["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for rs in cluster.of(REPLICA_SETS)]
    assert sorted(revisions) == ["1", "2"]
    conditions = {c["type"]: c for c in cluster.find(DEPLOYMENTS, "web", "default")["status"]["conditions"]}
    assert conditions["Available"]["status"] == "True"
    await bench.until(
        lambda: (
            pod_state.condition(cluster.find(DEPLOYMENTS, "web", "default"), "Progressing")["reason"]
            == "NewReplicaSetAvailable"
        )
    )


async def test_going_back_reuses_the_old_set_under_a_new_revision(bench, cluster):
    cluster.add(DEPLOYMENTS, deployment(2))
    await bench.start(DeploymentController, ReplicaSetController)
    await rolled_out(bench, cluster, "one")
    cluster.change(DEPLOYMENTS, "web", "default", spec={"template": template("two")})
    await rolled_out(bench, cluster, "two")
    cluster.change(DEPLOYMENTS, "web", "default", spec={"template": template("one")})
    await rolled_out(bench, cluster, "one")
    assert len(cluster.of(REPLICA_SETS)) == 2
    notes = sorted(
        (a["deployment.kubernetes.io/revision"], a.get("deployment.kubernetes.io/revision-history"))
        for a in (rs["metadata"]["annotations"] for rs in cluster.of(REPLICA_SETS))
    )
    assert notes == [("2", None), ("3", "1")]
    found = cluster.find(DEPLOYMENTS, "web", "default")
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


async def test_recreate_waits_for_the_last_old_pod(bench, cluster):
    cluster.add(DEPLOYMENTS, deployment(2, strategy={"type": "Recreate"}))
    await bench.start(DeploymentController, ReplicaSetController)
    await rolled_out(bench, cluster, "one")
    mixed = []
    store = cluster._store

    def observed(resource, obj, event):
        store(resource, obj, event)
        images = {pod["spec"]["containers"][0]["image"] for pod in cluster.of(PODS)}
        mixed.append(len(images) > 1)

    cluster._store = observed
    cluster.change(DEPLOYMENTS, "web", "default", spec={"template": template("two")})
    await rolled_out(bench, cluster, "two")
    assert not any(mixed)


async def test_a_paused_deployment_scales_and_does_not_roll(bench, cluster):
    cluster.add(DEPLOYMENTS, deployment(2))
    await bench.start(DeploymentController, ReplicaSetController)
    await rolled_out(bench, cluster, "one")
    cluster.change(DEPLOYMENTS, "web", "default", spec={"paused": True, "replicas": 3, "template": template("two")})
    await bench.until(lambda: len(cluster.of(PODS)) == 3)
    await bench.settle()
    assert {pod["spec"]["containers"][0]["image"] for pod in cluster.of(PODS)} == {"one"}
    progressing = pod_state.condition(cluster.find(DEPLOYMENTS, "web", "default"), "Progressing")
    assert progressing["reason"] == "DeploymentPaused"
    cluster.change(DEPLOYMENTS, "web", "default", spec={"paused": False})
    await rolled_out(bench, cluster, "two")


async def test_the_history_limit_is_kept(bench, cluster):
    cluster.add(DEPLOYMENTS, deployment(1, revisionHistoryLimit=1))
    await bench.start(DeploymentController, ReplicaSetController)
    await rolled_out(bench, cluster, "one")
    for image in ("two", "three", "four"):
        cluster.change(DEPLOYMENTS, "web", "default", spec={"template": template(image)})
        await rolled_out(bench, cluster, image)
    await bench.until(lambda: len(cluster.of(REPLICA_SETS)) == 2, "one old set beside the new one")


async def test_a_rollout_that_does_not_move_is_called_late(bench, cluster, monkeypatch):
    cluster.add(DEPLOYMENTS, deployment(1, progressDeadlineSeconds=1))
    await bench.start(DeploymentController, ReplicaSetController)
    await bench.until(lambda: cluster.of(PODS))
    late = await bench.until(
        lambda: (
            (p := pod_state.condition(cluster.find(DEPLOYMENTS, "web", "default"), "Progressing") or {}).get("status")
            == "False"
            and p
        ),
        seconds=8,
    )
    assert late["reason"] == "ProgressDeadlineExceeded"
