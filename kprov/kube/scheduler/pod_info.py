"""A pod as the scheduler sees it: read once, asked often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from kprov.kube.api import clock
from kprov.kube.api.kinds import Object, key_of
from kprov.kube.api.pod_resources import amount, pod_requests
from kprov.kube.scheduler.terms import AffinityTerm, SpreadConstraint, affinity_term, spread_constraint

Port = tuple[str, str, int]  # protocol, address, number

DEFAULT_CPU, DEFAULT_MEMORY = 100, 200 * 1024 * 1024
"""What a container without requests counts as when nodes are scored (never when they are filtered)."""


class PodInfo:
    """What scheduling needs to know of a pod.

    Args:
        pod: the object.
    """

    __slots__ = (
        "affinity",
        "anti_affinity",
        "created",
        "images",
        "key",
        "labels",
        "name",
        "namespace",
        "node_name",
        "nonzero_cpu",
        "nonzero_memory",
        "object",
        "ports",
        "preferred",
        "priority",
        "requests",
        "signature",
        "spread",
        "started",
        "terminating",
        "uid",
    )

    def __init__(self, pod: Object) -> None:
        metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
        self.object: Object = pod
        self.key = key_of(pod)
        self.uid: str = metadata.get("uid") or self.key
        self.name: str = metadata["name"]
        self.namespace: str = metadata.get("namespace") or ""
        self.labels: Mapping[str, str] = metadata.get("labels") or {}
        self.node_name: str = spec.get("nodeName") or ""
        self.priority: int = spec.get("priority") or 0
        self.terminating = bool(metadata.get("deletionTimestamp"))
        self.created = clock.seconds_of(metadata.get("creationTimestamp"))
        self.started = clock.seconds_of(status.get("startTime")) or self.created
        resources = _resources(orjson.dumps(_resource_part(spec), option=orjson.OPT_SORT_KEYS))
        self.requests, self.nonzero_cpu, self.nonzero_memory = resources
        self.ports: tuple[Port, ...] = tuple(_host_ports(spec))
        self.images: tuple[str, ...] = tuple(
            container.get("image") or ""
            for group in ("initContainers", "containers")
            for container in spec.get(group) or ()
        )
        affinity = spec.get("affinity") or {}
        self.affinity = self._required(affinity.get("podAffinity"))
        self.anti_affinity = self._required(affinity.get("podAntiAffinity"))
        self.preferred = (
            *self._preferred(affinity.get("podAffinity"), 1),
            *self._preferred(affinity.get("podAntiAffinity"), -1),
        )
        self.spread: tuple[SpreadConstraint, ...] = tuple(
            spread_constraint(raw, self.namespace, self.labels) for raw in spec.get("topologySpreadConstraints") or ()
        )
        # pods of equal signature are treated alike by every plugin that looks only at a node's own properties
        parts = [spec.get("nodeSelector"), affinity.get("nodeAffinity"), spec.get("tolerations"), self.images]
        self.signature: bytes = _signature(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))

    @property
    def spec(self) -> Mapping[str, Any]:
        """The pod's specification."""
        return self.object.get("spec") or {}

    @property
    def tolerations(self) -> list[Mapping[str, Any]]:
        """What the pod puts up with."""
        return self.spec.get("tolerations") or []

    @property
    def best_effort(self) -> bool:
        """Whether the pod asks for neither cpu nor memory."""
        return not (self.requests.get("cpu") or self.requests.get("memory"))

    def _required(self, part: Mapping[str, Any] | None) -> tuple[AffinityTerm, ...]:
        terms = (part or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        return tuple(affinity_term(raw, self.namespace, self.labels) for raw in terms)

    def _preferred(self, part: Mapping[str, Any] | None, sign: int) -> Iterable[AffinityTerm]:
        for raw in (part or {}).get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            term, weight = raw.get("podAffinityTerm") or {}, sign * int(raw.get("weight") or 0)
            yield affinity_term(term, self.namespace, self.labels, weight)


def _resource_part(spec: Mapping[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = {
        group: [{name: c[name] for name in ("resources", "restartPolicy") if name in c} for c in spec.get(group) or ()]
        for group in ("containers", "initContainers")
    }
    part.update({name: spec[name] for name in ("overhead", "resources") if spec.get(name)})
    return part


@lru_cache(maxsize=2048)
def _resources(part: bytes) -> tuple[dict[str, int], int, int]:
    """Requests, and what they count as in scoring. Pods of one workload share the answer."""
    spec = orjson.loads(part)
    requests = {name: number for name, number in pod_requests(spec).items() if number}
    for group in ("containers", "initContainers"):
        for container in spec.get(group) or ():
            given = (container.get("resources") or {}).get("requests") or {}
            filled = {"cpu": f"{DEFAULT_CPU}m", "memory": str(DEFAULT_MEMORY), **given}
            container["resources"] = {"requests": filled}
    nonzero = pod_requests(spec)
    return requests, nonzero.get("cpu", 0), nonzero.get("memory", 0)


def _host_ports(spec: Mapping[str, Any]) -> Iterable[Port]:
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        if "restartPolicy" not in container and container in (spec.get("initContainers") or ()):
            continue  # only sidecars keep their ports
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                address = port.get("hostIP") or "0.0.0.0"  # noqa: S104 - what the API means by none
                yield port.get("protocol") or "TCP", address, int(port["hostPort"])


def is_finished(pod: Object) -> bool:
    """Whether a pod's containers have all ended for good: it takes no place on its node."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


_SPEC_KEPT = (
    "affinity",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "resources",
    "schedulerName",
    "schedulingGates",
    "tolerations",
    "topologySpreadConstraints",
)
_CONTAINER_KEPT = ("image", "name", "ports", "resources", "restartPolicy")
_STATUS_KEPT = ("nominatedNodeName", "phase", "startTime")


@lru_cache(maxsize=1024)
def _shared(spec: bytes) -> Object:
    """A specification, parsed once for all pods of a workload: they share it in memory."""
    parsed: Object = orjson.loads(spec)
    return parsed


@lru_cache(maxsize=1024)
def _signature(parts: bytes) -> bytes:
    return parts


def slim(pod: Object) -> Object:
    """A pod without what scheduling never reads: environments, probes, volumes' contents, container statuses."""
    spec, status, metadata = pod.get("spec") or {}, pod.get("status") or {}, pod["metadata"]
    metadata.pop("annotations", None)
    kept: Object = {name: spec[name] for name in _SPEC_KEPT if name in spec}
    for group in ("containers", "initContainers"):
        if spec.get(group):
            kept[group] = [{name: c[name] for name in _CONTAINER_KEPT if name in c} for c in spec[group]]
    claims = [
        volume for volume in spec.get("volumes") or () if "persistentVolumeClaim" in volume or "ephemeral" in volume
    ]
    if claims:
        kept["volumes"] = claims
    node = kept.pop("nodeName", None)
    shared = _shared(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS))
    kept = {**shared, "nodeName": node} if node else shared
    slim_status: Object = {name: status[name] for name in _STATUS_KEPT if name in status}
    conditions = [c for c in status.get("conditions") or () if c.get("type") == "PodScheduled"]
    if conditions and not node:  # it is read only while the pod waits
        slim_status["conditions"] = conditions
    return {
        "apiVersion": pod.get("apiVersion", "v1"),
        "kind": pod.get("kind", "Pod"),
        "metadata": metadata,
        "spec": kept,
        "status": slim_status,
    }


def node_amounts(node: Object) -> dict[str, int]:
    """What a node has to give, in countable units."""
    status = node.get("status") or {}
    given = status.get("allocatable") or status.get("capacity") or {}
    return {name: amount(name, text) for name, text in given.items()}
