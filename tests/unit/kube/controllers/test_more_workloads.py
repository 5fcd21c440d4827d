"""StatefulSets, CronJobs, budgets, quotas, and the small controllers."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from kprov.kube.api import clock
from kprov.kube.api.kinds import (
    CLUSTER_ROLES,
    CONFIG_MAPS,
    CRON_JOBS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
)
from kprov.kube.controllers.bootstrap_signer import BootstrapSigner
from kprov.kube.controllers.clusterrole_aggregation import ClusterRoleAggregation
from kprov.kube.controllers.command_line import flag_set, options_of
from kprov.kube.controllers.cron_schedule import Schedule
from kprov.kube.controllers.cronjob import CronJobController, due
from kprov.kube.controllers.disruption import DisruptionController
from kprov.kube.controllers.endpointslice_mirroring import EndpointSliceMirroring
from kprov.kube.controllers.options import Options
from kprov.kube.controllers.registry import ROWS, chosen
from kprov.kube.controllers.resourcequota import ResourceQuotaController
from kprov.kube.controllers.statefulset import StatefulSetController
from kprov.kube.controllers.token_cleaner import TokenCleaner
from kprov.kube.controllers.ttl_after_finished import TtlAfterFinished
from kprov.kube.controllers.volume_binder import VolumeBinder
from kprov.kube.controllers.volume_protection import ClaimProtection

Object = dict[str, Any]


def stateful_set(replicas: int, image: str = "one", **spec: Any) -> Object:
    pod = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    body = {
        "replicas": replicas,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": pod,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        **spec,
    }
    return {"metadata": {"name": "db", "namespace": "default"}, "spec": body}


def names(cluster) -> list[str]:
    return [p["metadata"]["name"] for p in cluster.of(PODS)]


async def test_a_stateful_set_grows_in_order_and_shrinks_from_the_top(bench, cluster):
    claims = [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]
    cluster.add(STATEFUL_SETS, stateful_set(3, volumeClaimTemplates=claims))
    await bench.start(StatefulSetController)
    for index in range(3):
        await bench.until(lambda index=index: len(cluster.of(PODS)) == index + 1)
        await bench.settle()
        assert len(cluster.of(PODS)) == index + 1, "the next waits until this one is ready"
        cluster.run_pods()
    assert names(cluster) == ["db-0", "db-1", "db-2"]
    assert [c["metadata"]["name"] for c in cluster.of(PERSISTENT_VOLUME_CLAIMS)] == [
        "data-db-0",
        "data-db-1",
        "data-db-2",
    ]
    pod = cluster.find(PODS, "db-1", "default")
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-1", "db")
    await bench.until(lambda: cluster.find(STATEFUL_SETS, "db", "default").get("status", {}).get("readyReplicas") == 3)
    cluster.change(STATEFUL_SETS, "db", "default", spec={"replicas": 1})
    await bench.until(lambda: names(cluster) == ["db-0"])
    assert len(cluster.of(PERSISTENT_VOLUME_CLAIMS)) == 3


async def test_a_stateful_set_rolls_from_the_top_down_to_its_partition(bench, cluster):
    cluster.add(STATEFUL_SETS, stateful_set(3, podManagementPolicy="Parallel"))
    await bench.start(StatefulSetController)
    await bench.until(lambda: len(cluster.of(PODS)) == 3)
    cluster.run_pods()
    await bench.until(lambda: cluster.find(STATEFUL_SETS, "db", "default").get("status", {}).get("readyReplicas") == 3)
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    new = stateful_set(3, "two")["spec"]["template"]
    cluster.change(STATEFUL_SETS, "db", "default", spec={"template": new, "updateStrategy": rolling})

    def images() -> list[str]:
        cluster.run_pods()
        return [p["spec"]["containers"][0]["image"] for p in cluster.of(PODS)]

    await bench.until(lambda: images() == ["one", "two", "two"])
    await bench.settle()
    assert images() == ["one", "two", "two"]
    status = cluster.find(STATEFUL_SETS, "db", "default")["status"]
    assert status["currentRevision"] != status["updateRevision"]
    cluster.change(STATEFUL_SETS, "db", "default", spec={"updateStrategy": {"rollingUpdate": {"partition": 0}}})
    await bench.until(lambda: images() == ["two", "two", "two"])
    await bench.until(
        lambda: (s := cluster.find(STATEFUL_SETS, "db", "default")["status"])["currentRevision"] == s["updateRevision"]
    )


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("*/15 * * * *", "2026-01-01T00:01", "2026-01-01T00:15"),
        ("0 0 * * *", "2026-01-31T00:00", "2026-02-01T00:00"),
        ("30 4 1,15 * 5", "2026-01-02T05:00", "2026-01-09T04:30"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 9-17/4 * * mon-fri", "2026-01-02T17:30", "2026-01-05T09:00"),
        ("@hourly", "2026-01-01T00:00", "2026-01-01T01:00"),
        ("0 0 * * 7", "2026-01-01T00:00", "2026-01-04T00:00"),
    ],
)
def test_cron_schedules(text, after, expected):
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert Schedule.parse(text).after(moment) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["* * * *", "61 * * * *", "*/0 * * * *", "x * * * *"])
def test_wrong_schedules(text):
    with pytest.raises(ValueError):
        Schedule.parse(text)


def cron_job(created: float, **spec: Any) -> Object:
    template = {"spec": {"template": {"spec": {"containers": []}}}}
    body = {"schedule": "* * * * *", "jobTemplate": template, **spec}
    made = {"name": "tick", "namespace": "default", "creationTimestamp": clock.format_time(created)}
    return {"metadata": made, "spec": body}


def test_what_was_missed_longer_than_the_deadline_is_let_go():
    now = 1_800_000_000.0
    assert due(cron_job(now - 600), now)[0] == now
    assert due(cron_job(now - 600, startingDeadlineSeconds=10), now + 30)[0] is None


@pytest.mark.parametrize(("policy", "expected"), [("Allow", 2), ("Forbid", 1), ("Replace", 1)])
async def test_a_cron_job_starts_what_is_due(bench, cluster, monkeypatch, policy, expected):
    time = 1_800_000_000.0
    monkeypatch.setattr(clock, "seconds", lambda: time)
    cluster.add(CRON_JOBS, cron_job(time - 30, concurrencyPolicy=policy))
    (controller,) = await bench.start(CronJobController)
    (first,) = await bench.until(lambda: cluster.of(JOBS))
    await bench.until(lambda: cluster.find(CRON_JOBS, "tick", "default").get("status", {}).get("active"))
    time += 61
    controller.queue.add("default/tick")
    await bench.settle()
    jobs = cluster.of(JOBS)
    assert len(jobs) == expected
    assert (first["metadata"]["name"] in [j["metadata"]["name"] for j in jobs]) is (policy != "Replace")


@pytest.mark.parametrize(
    ("spec", "healthy", "allowed"),
    [
        ({"minAvailable": 2}, 3, 1),
        ({"minAvailable": "50%"}, 3, 1),
        ({"maxUnavailable": 1}, 4, 1),
        ({"maxUnavailable": 1}, 3, 0),
        ({"maxUnavailable": "50%"}, 4, 2),
    ],
)
async def test_budgets(bench, cluster, spec, healthy, allowed):
    owner = cluster.add(REPLICA_SETS, {"metadata": {"name": "rs"}, "spec": {"replicas": 4}})
    reference = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "rs",
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    for index in range(4):
        ready = [{"type": "Ready", "status": "True" if index < healthy else "False"}]
        metadata = {"name": f"p{index}", "labels": {"app": "x"}, "ownerReferences": [reference]}
        cluster.add(PODS, {"metadata": metadata, "spec": {}, "status": {"phase": "Running", "conditions": ready}})
    budget = {"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"app": "x"}}, **spec}}
    cluster.add(POD_DISRUPTION_BUDGETS, budget)
    await bench.start(DisruptionController)
    status = await bench.until(lambda: cluster.find(POD_DISRUPTION_BUDGETS, "b", "default").get("status"))
    assert (status["currentHealthy"], status["disruptionsAllowed"]) == (healthy, allowed)


async def test_a_quota_counts_what_is_there_and_what_went(bench, cluster):
    hard = {
        "pods": "5",
        "requests.cpu": "2",
        "limits.memory": "2Gi",
        "services": "3",
        "secrets": "9",
        "count/jobs.batch": "1",
    }
    cluster.add(RESOURCE_QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    resources = {"requests": {"cpu": "250m"}, "limits": {"memory": "512Mi"}}
    for name in ("a", "b"):
        cluster.add(PODS, {"metadata": {"name": name}, "spec": {"containers": [{"resources": resources}]}})
    cluster.add(SERVICES, {"metadata": {"name": "s"}, "spec": {}})
    cluster.add(SECRETS, {"metadata": {"name": "x"}})
    await bench.start(ResourceQuotaController)
    used = await bench.until(lambda: (cluster.find(RESOURCE_QUOTAS, "q", "default").get("status") or {}).get("used"))
    assert used == {
        "pods": "2",
        "requests.cpu": "500m",
        "limits.memory": "1Gi",
        "services": "1",
        "secrets": "1",
        "count/jobs.batch": "0",
    }
    await cluster.delete(PODS, "a", "default")
    await bench.until(
        lambda: cluster.find(RESOURCE_QUOTAS, "q", "default").get("status", {}).get("used", {}).get("pods") == "1"
    )
    await cluster.delete(SECRETS, "x", "default")
    await bench.until(lambda: cluster.find(RESOURCE_QUOTAS, "q", "default")["status"]["used"]["secrets"] == "0")


async def test_a_finished_job_goes_when_its_time_is_over(bench, cluster):
    for name, seconds in (("now", 0), ("later", 3600)):
        over = [{"type": "Complete", "status": "True", "lastTransitionTime": clock.format_time(clock.seconds())}]
        body = {
            "metadata": {"name": name},
            "spec": {"ttlSecondsAfterFinished": seconds},
            "status": {"conditions": over},
        }
        cluster.add(JOBS, body)
    await bench.start(TtlAfterFinished)
    await bench.until(
        lambda: (cluster.find(JOBS, "now", "default") or {"metadata": {"deletionTimestamp": 1}})["metadata"].get(
            "deletionTimestamp"
        )
    )
    assert not cluster.find(JOBS, "later", "default")["metadata"].get("deletionTimestamp")


async def test_aggregated_roles_follow_their_parts(bench, cluster):
    selector = {"clusterRoleSelectors": [{"matchLabels": {"to": "admin"}}]}
    cluster.add(CLUSTER_ROLES, {"metadata": {"name": "admin"}, "aggregationRule": selector, "rules": []})
    cluster.add(CLUSTER_ROLES, {"metadata": {"name": "part", "labels": {"to": "admin"}}, "rules": [{"verbs": ["get"]}]})
    await bench.start(ClusterRoleAggregation)
    await bench.until(lambda: cluster.find(CLUSTER_ROLES, "admin")["rules"] == [{"verbs": ["get"]}])


async def test_endpoints_written_by_hand_are_mirrored(bench, cluster):
    cluster.add(SERVICES, {"metadata": {"name": "s"}, "spec": {}})
    subsets = [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 80}]}]
    cluster.add(ENDPOINTS, {"metadata": {"name": "s"}, "subsets": subsets})
    await bench.start(EndpointSliceMirroring)
    (piece,) = await bench.until(lambda: cluster.of(ENDPOINT_SLICES))
    assert piece["endpoints"] == [{"addresses": ["1.2.3.4"], "conditions": {"ready": True}}]
    await cluster.delete(ENDPOINTS, "s", "default")
    await bench.until(lambda: not cluster.of(ENDPOINT_SLICES))


def bootstrap_token(identity: str, expiration: str) -> Object:
    data = {"token-id": identity, "token-secret": "s" * 16, "usage-bootstrap-signing": "true", "expiration": expiration}
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    metadata = {"name": f"bootstrap-token-{identity}", "namespace": "kube-system"}
    return {"metadata": metadata, "type": "bootstrap.kubernetes.io/token", "data": encoded}


async def test_bootstrap_tokens_sign_and_end(bench, cluster):
    info = {"metadata": {"name": "cluster-info", "namespace": "kube-public"}, "data": {"kubeconfig": "k"}}
    cluster.add(CONFIG_MAPS, info)
    cluster.add(SECRETS, bootstrap_token("living", "2099-01-01T00:00:00Z"))
    cluster.add(SECRETS, bootstrap_token("passed", "2020-01-01T00:00:00Z"))
    await bench.start(BootstrapSigner, TokenCleaner)
    await bench.until(lambda: [s["metadata"]["name"] for s in cluster.of(SECRETS)] == ["bootstrap-token-living"])
    await bench.until(
        lambda: (
            [k for k in cluster.find(CONFIG_MAPS, "cluster-info", "kube-public")["data"] if k.startswith("jws")]
            == ["jws-kubeconfig-living"]
        )
    )


async def test_a_claim_gets_the_smallest_volume_that_fits_and_is_protected(bench, cluster):
    for name, size in (("big", "10Gi"), ("fit", "2Gi"), ("small", "500Mi")):
        body = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": "hand"}
        cluster.add(PERSISTENT_VOLUMES, {"metadata": {"name": name}, "spec": body})
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "hand",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    cluster.add(PERSISTENT_VOLUME_CLAIMS, {"metadata": {"name": "c"}, "spec": wanted})
    await bench.start(VolumeBinder, ClaimProtection)

    def claim() -> Object:
        return cluster.find(PERSISTENT_VOLUME_CLAIMS, "c", "default") or {}

    await bench.until(lambda: claim().get("status", {}).get("phase") == "Bound")
    assert claim()["spec"]["volumeName"] == "fit"
    await bench.until(lambda: cluster.find(PERSISTENT_VOLUMES, "big").get("status", {}).get("phase") == "Available")
    await bench.until(lambda: "kubernetes.io/pvc-protection" in claim()["metadata"].get("finalizers", []))
    user = {"nodeName": "n", "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}
    cluster.add(PODS, {"metadata": {"name": "user"}, "spec": user})
    await bench.settle()
    cluster.change(PERSISTENT_VOLUME_CLAIMS, "c", "default", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    await bench.settle()
    assert claim()
    await cluster.delete(PODS, "user", "default")
    await bench.until(lambda: not claim())


def test_the_command_line_chooses_controllers():
    options = Options()
    everything = {row.name for row in chosen(["*"], options)}
    assert "deployment" in everything and "bootstrapsigner" not in everything and "csrsigning" not in everything
    assert [row.name for row in chosen(["deployment-controller", "job"], options)] == ["deployment", "job"]
    without = {row.name for row in chosen(["*", "-job", "tokencleaner"], options)}
    assert "job" not in without and "tokencleaner" in without
    with pytest.raises(ValueError, match="is it 'deployment'"):
        chosen(["deploymant"], options)


def test_flags_become_settings():
    flags = flag_set().parse(
        ["--experimental-cluster-signing-duration=24h", "--concurrent-deployment-syncs", "9", "--allocate-node-cidrs"]
    )
    options = options_of(flags)
    assert (options.cluster_signing_duration, options.concurrent, options.allocate_node_cidrs) == (
        86400.0,
        {"deployment": 9},
        True,
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_loads(row):
    assert row.load().reconcile
