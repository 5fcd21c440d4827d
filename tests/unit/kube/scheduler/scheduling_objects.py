"""Short ways to write nodes and pods in tests."""

from __future__ import annotations

import itertools
from typing import Any

_uids = itertools.count()
Object = dict[str, Any]


def node(name: str, cpu: str = "4", memory: str = "8Gi", pods: str = "110", **more: Any) -> Object:
    labels = {"kubernetes.io/hostname": name, **more.pop("labels", {})}
    given = {"cpu": cpu, "memory": memory, "pods": pods, **more.pop("resources", {})}
    status = {"allocatable": given, "images": more.pop("images", [])}
    return {"kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": more, "status": status}


def pod(name: str = "", cpu: str = "", memory: str = "", **more: Any) -> Object:
    number = next(_uids)
    requests = {**({"cpu": cpu} if cpu else {}), **({"memory": memory} if memory else {}), **more.pop("resources", {})}
    container: Object = {"name": "c", "image": more.pop("image", "img"), "resources": {"requests": requests}}
    if "ports" in more:
        container["ports"] = more.pop("ports")
    metadata = {
        "name": name or f"p{number}",
        "namespace": more.pop("namespace", "default"),
        "uid": f"uid-{number}",
        "labels": more.pop("labels", {}),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": more.pop("owners", []),
    }
    if more.pop("terminating", False):
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = more.pop("status", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], **more},
        "status": status,
    }


def affinity(kind: str, app: str, key: str = "kubernetes.io/hostname", weight: int = 0, **more: Any) -> Object:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key, **more}
    if weight:
        weighted = [{"weight": weight, "podAffinityTerm": term}]
        return {"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def node_affinity(*expressions: Object, fields: list[Object] | None = None) -> Object:
    term: Object = {"matchExpressions": list(expressions)}
    if fields:
        term = {"matchFields": fields}
    required = {"nodeSelectorTerms": [term]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def spread(app: str, key: str, skew: int = 1, hard: bool = True, **more: Any) -> Object:
    constraint = {
        "maxSkew": skew,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": app}},
        **more,
    }
    return {"topologySpreadConstraints": [constraint]}
