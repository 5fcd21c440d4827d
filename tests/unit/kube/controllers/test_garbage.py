"""Owners and dependents: background, foreground, orphans, circles; and namespaces."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.kinds import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS, SECRETS, SERVICE_ACCOUNTS
from kprov.kube.controllers.garbagecollector.controller import GarbageCollector
from kprov.kube.controllers.namespace import NamespaceController
from kprov.kube.controllers.root_ca import RootCertificatePublisher
from kprov.kube.controllers.serviceaccount import ServiceAccountController

Object = dict[str, Any]


def owned_by(*owners: Object, blocks: bool = True) -> list[Object]:
    return [
        {
            "apiVersion": o["apiVersion"],
            "kind": o["kind"],
            "name": o["metadata"]["name"],
            "uid": o["metadata"]["uid"],
            "blockOwnerDeletion": blocks,
        }
        for o in owners
    ]


def thing(name: str, *owners: Object, **metadata: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "ownerReferences": owned_by(*owners), **metadata}}


async def family(bench, cluster):
    """A deployment, its set, its pod; and the collector."""
    top = cluster.add(DEPLOYMENTS, thing("top"))
    middle = cluster.add(REPLICA_SETS, thing("middle", top))
    cluster.add(PODS, thing("low", middle))
    (collector,) = await bench.start(GarbageCollector)
    await bench.until(collector.monitors.ready.is_set)
    await bench.settle()
    return collector


async def test_dependents_follow_their_owner_in_the_background(bench, cluster):
    await family(bench, cluster)
    await cluster.delete(DEPLOYMENTS, "top", "default", propagation_policy="Background")
    await bench.until(lambda: not cluster.of(REPLICA_SETS) and not cluster.of(PODS))


async def test_in_the_foreground_the_owner_goes_last(bench, cluster):
    await family(bench, cluster)
    order = []
    drop = cluster._drop
    cluster._drop = lambda resource, obj: (order.append(obj["metadata"]["name"]), drop(resource, obj))
    await cluster.delete(DEPLOYMENTS, "top", "default", propagation_policy="Foreground")
    await bench.until(lambda: not cluster.of(DEPLOYMENTS))
    assert order == ["low", "middle", "top"]


async def test_orphans_stay(bench, cluster):
    await family(bench, cluster)
    await cluster.delete(DEPLOYMENTS, "top", "default", propagation_policy="Orphan")
    await bench.until(lambda: not cluster.of(DEPLOYMENTS))
    await bench.settle()
    assert not cluster.find(REPLICA_SETS, "middle", "default")["metadata"].get("ownerReferences")
    assert cluster.find(PODS, "low", "default")


async def test_what_has_another_owner_stays_and_forgets_the_lost_one(bench, cluster):
    one, other = cluster.add(CONFIG_MAPS, thing("one")), cluster.add(CONFIG_MAPS, thing("other"))
    cluster.add(SECRETS, thing("shared", one, other))
    (collector,) = await bench.start(GarbageCollector)
    await bench.until(collector.monitors.ready.is_set)
    await cluster.delete(CONFIG_MAPS, "one", "default")
    await bench.until(lambda: len(cluster.find(SECRETS, "shared", "default")["metadata"]["ownerReferences"]) == 1)


async def test_an_owner_that_was_made_anew_is_another(bench, cluster):
    lost = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "uid": "former"}}
    cluster.add(CONFIG_MAPS, thing("one"))
    cluster.add(SECRETS, thing("child", lost))
    await bench.start(GarbageCollector)
    await bench.until(lambda: not cluster.of(SECRETS))
    assert cluster.of(CONFIG_MAPS)


async def test_a_circle_in_the_foreground_comes_apart(bench, cluster):
    one = cluster.add(PODS, thing("one"))
    two = cluster.add(PODS, thing("two", one))
    three = cluster.add(PODS, thing("three", two))
    cluster.change(PODS, "one", "default", metadata={"ownerReferences": owned_by(three)})
    (collector,) = await bench.start(GarbageCollector)
    await bench.until(collector.monitors.ready.is_set)
    await bench.settle()
    await cluster.delete(PODS, "one", "default", propagation_policy="Foreground")
    await bench.until(lambda: not cluster.of(PODS))


async def test_an_owner_that_cannot_be_asked_about_is_not_taken_for_gone(bench, cluster):
    await family(bench, cluster)

    def refuse(verb, resource, name):
        if (verb, resource) == ("get", CONFIG_MAPS):
            raise errors.internal("away")

    cluster.refuse = refuse
    cluster.add(
        SECRETS, thing("child", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "uid": "y"}})
    )
    await bench.until(lambda: [c for c in cluster.calls if c[:2] == ("get", "configmaps")])
    await bench.settle()
    assert cluster.find(SECRETS, "child", "default")


def terminating(name: str) -> Object:
    return {
        "metadata": {"name": name, "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


async def test_a_namespace_is_emptied_and_let_go(bench, cluster):
    cluster.add(NAMESPACES, terminating("old"))
    for name in ("a", "b"):
        cluster.add(SECRETS, {"metadata": {"name": name, "namespace": "old"}})
    cluster.add(DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "old"}})
    cluster.add(SECRETS, {"metadata": {"name": "kept", "namespace": "default"}})
    await bench.start(NamespaceController)
    await bench.until(lambda: not cluster.of(NAMESPACES))
    assert not cluster.of(SECRETS, "old") and not cluster.of(DEPLOYMENTS)
    assert cluster.of(SECRETS, "default")


async def test_a_finalizer_holds_a_namespace_and_is_told(bench, cluster):
    cluster.add(NAMESPACES, terminating("old"))
    cluster.add(CONFIG_MAPS, {"metadata": {"name": "held", "namespace": "old", "finalizers": ["example.com/wait"]}})
    await bench.start(NamespaceController)
    conditions = await bench.until(lambda: (cluster.find(NAMESPACES, "old").get("status") or {}).get("conditions"))
    said = {c["type"]: c for c in conditions}
    assert said["NamespaceContentRemaining"]["message"] == (
        "Some resources are remaining: configmaps. has 1 resource instances"
    )
    assert "example.com/wait in 1 resource instances" in said["NamespaceFinalizersRemaining"]["message"]
    assert said["NamespaceDeletionContentFailure"]["status"] == "False"
    cluster.find(CONFIG_MAPS, "held", "old")["metadata"]["finalizers"] = []
    with suppress(errors.ApiError):  # not found: the controller, which tries again by itself, was quicker
        await cluster.delete(CONFIG_MAPS, "held", "old")
    await bench.until(lambda: not cluster.of(NAMESPACES))


async def test_every_namespace_has_its_account_and_root_certificate(bench, cluster, tmp_path):
    bench.options.root_ca_file = str(tmp_path / "ca.crt")
    (tmp_path / "ca.crt").write_text("PEM")
    cluster.add(NAMESPACES, {"metadata": {"name": "one"}, "status": {"phase": "Active"}})
    await bench.start(ServiceAccountController, RootCertificatePublisher)
    await bench.until(lambda: cluster.find(SERVICE_ACCOUNTS, "default", "one"))
    await bench.until(lambda: cluster.find(CONFIG_MAPS, "kube-root-ca.crt", "one"))
    await cluster.delete(SERVICE_ACCOUNTS, "default", "one")
    cluster.change(CONFIG_MAPS, "kube-root-ca.crt", "one", data={"ca.crt": "forged"})
    await bench.until(lambda: cluster.find(SERVICE_ACCOUNTS, "default", "one"))
    await bench.until(lambda: cluster.find(CONFIG_MAPS, "kube-root-ca.crt", "one")["data"] == {"ca.crt": "PEM"})
