"""Kinds in etcd: read from every version that upstream wrote, written in one that upstream 1.20 reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kprov.kube.apiserver.storage.proto import rpc_pb2 as pb
from kprov.kube.apiserver.storage.stored_versions import VersionedEtcd
from kprov.kube.apiserver.stored_kinds import stored_kinds

STORED = stored_kinds()


def value(api_version: str, kind: str, **rest: Any) -> bytes:
    obj = {"kind": kind, "apiVersion": api_version, "metadata": {"name": "x", "namespace": "default"}, **rest}
    return json.dumps(obj, separators=(",", ":")).encode() + b"\n"


def read(prefix: str, stored: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(STORED[prefix].read(stored))
    return found


def written(prefix: str, obj: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(STORED[prefix].write(obj))
    return found


def test_what_is_in_the_version_already_is_left_alone() -> None:
    stored = value("policy/v1", "PodDisruptionBudget", spec={"selector": {}})
    assert STORED["poddisruptionbudgets"].read(stored) is stored
    for damaged in (b"", b"k8s\0x", b"[]", b"{}", b'{"kind":1,"apiVersion":{}}'):
        assert STORED["poddisruptionbudgets"].read(damaged) == damaged


@pytest.mark.parametrize(
    ("prefix", "version", "kind", "present"),
    [
        ("cronjobs", "batch/v1beta1", "CronJob", "batch/v1"),
        ("ingress", "networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/v1"),
        ("horizontalpodautoscalers", "autoscaling/v1", "HorizontalPodAutoscaler", "autoscaling/v2"),
        ("endpointslices", "discovery.k8s.io/v1beta1", "EndpointSlice", "discovery.k8s.io/v1"),
        ("runtimeclasses", "node.k8s.io/v1beta1", "RuntimeClass", "node.k8s.io/v1"),
        ("flowschemas", "flowcontrol.apiserver.k8s.io/v1beta1", "FlowSchema", "flowcontrol.apiserver.k8s.io/v1"),
        ("apiextensions.k8s.io/customresourcedefinitions", "apiextensions.k8s.io/v1beta1", "CustomResourceDefinition",
         "apiextensions.k8s.io/v1"),
    ],
)  # fmt: skip
def test_older_versions_are_read(prefix: str, version: str, kind: str, present: str) -> None:
    assert read(prefix, value(version, kind, spec={}))["apiVersion"] == present


def test_where_an_endpoint_is_survives_both_ways() -> None:
    endpoint = {"addresses": ["1.2.3.4"], "conditions": {"ready": True}, "nodeName": "n", "zone": "z"}
    new = value("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4", endpoints=[endpoint])
    old = written("endpointslices", new)
    assert old["apiVersion"] == "discovery.k8s.io/v1beta1"
    assert old["endpoints"][0]["topology"] == {"kubernetes.io/hostname": "n", "topology.kubernetes.io/zone": "z"}
    assert read("endpointslices", json.dumps(old).encode()) == json.loads(new)


def test_what_an_older_version_cannot_say_stays_in_the_newer_one() -> None:
    share = {"type": "Utilization", "averageUtilization": 50}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": share}}
    memory = {"type": "Resource", "resource": {"name": "memory", "target": share}}
    for metrics, version in (
        ([cpu], "autoscaling/v1"),
        ([memory, cpu], "autoscaling/v1"),
        ([cpu, memory], "autoscaling/v2"),
    ):
        new = value("autoscaling/v2", "HorizontalPodAutoscaler", spec={"maxReplicas": 3, "metrics": metrics}, status={})
        kept = written("horizontalpodautoscalers", new)
        assert kept["apiVersion"] == version
        assert read("horizontalpodautoscalers", json.dumps(kept).encode()) == json.loads(new)


def test_an_empty_selector_of_a_budget_means_what_its_version_says() -> None:
    def selector(of: dict[str, Any]) -> Any:
        return of["spec"]["selector"]

    none = read("poddisruptionbudgets", value("policy/v1beta1", "PodDisruptionBudget", spec={"selector": {}}))
    assert selector(none)["matchExpressions"][0]["operator"] == "Exists"  # of a label that nobody has
    assert selector(written("poddisruptionbudgets", json.dumps(none).encode())) == {}
    everything = value("policy/v1", "PodDisruptionBudget", spec={"selector": {}})
    old = written("poddisruptionbudgets", everything)
    assert old["apiVersion"] == "policy/v1beta1" and selector(old)["matchExpressions"][0]["operator"] == "DoesNotExist"
    assert read("poddisruptionbudgets", json.dumps(old).encode()) == json.loads(everything)


def test_shares_of_a_priority_level_have_another_name_in_each_version() -> None:
    limited = {"type": "Limited", "limited": {"assuredConcurrencyShares": 5, "limitResponse": {"type": "Reject"}}}
    old = value("flowcontrol.apiserver.k8s.io/v1beta1", "PriorityLevelConfiguration", spec=limited)
    new = read("prioritylevelconfigurations", old)
    assert new["spec"]["limited"]["nominalConcurrencyShares"] == 5
    assert written("prioritylevelconfigurations", json.dumps(new).encode()) == json.loads(old)


def test_a_new_claim_is_pending() -> None:
    assert read("persistentvolumeclaims", value("v1", "PersistentVolumeClaim", status={}))["status"] == {
        "phase": "Pending"
    }
    bound = value("v1", "PersistentVolume", status={"phase": "Bound"})
    assert STORED["persistentvolumes"].read(bound) is bound


def test_only_keys_of_such_kinds_are_converted() -> None:
    etcd = VersionedEtcd.__new__(VersionedEtcd)
    etcd.convert("/registry", STORED)
    budget = value("policy/v1", "PodDisruptionBudget", spec={})

    def put(key: bytes) -> bytes:
        operation = pb.RequestOp(request_put=pb.PutRequest(key=key, value=budget, lease=7))
        made = etcd._written(operation).request_put
        assert (made.key, made.lease) == (key, 7)
        found: bytes = made.value
        return found

    assert b"policy/v1beta1" in put(b"/registry/poddisruptionbudgets/default/x")
    for key in (b"/registry/pods/default/x", b"/other/poddisruptionbudgets/default/x", b"/registry/example.com/xs/x"):
        assert put(key) == budget
