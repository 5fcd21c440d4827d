"""The taints that controllers set and judge: what their keys are, and how long a pod may stay beside them."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.tolerations import first_untolerated, tolerates

Object = dict[str, Any]

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
PID_PRESSURE = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"


def no_execute(node: Object) -> list[Object]:
    """The node's taints that drive pods away."""
    return [taint for taint in node["spec"].get("taints") or () if taint["effect"] == "NoExecute"]


def stay_seconds(taints: list[Object], tolerations: list[Object]) -> float | None:
    """How long a pod may stay beside NoExecute taints: 0 if one is not tolerated, None for ever."""
    if first_untolerated(taints, tolerations, ("NoExecute",)) is not None:
        return 0.0
    limits = [
        float(toleration["tolerationSeconds"])
        for toleration in tolerations
        if toleration.get("tolerationSeconds") is not None and any(tolerates(toleration, taint) for taint in taints)
    ]
    return max(0.0, min(limits)) if limits else None
