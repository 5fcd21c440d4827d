"""Taints and tolerations, as far as controllers judge them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
PID_PRESSURE = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"


def tolerates(toleration: Object, taint: Object) -> bool:
    """Whether a toleration covers a taint."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def untolerated(taints: Iterable[Object], tolerations: list[Object], effects: Iterable[str]) -> Object | None:
    """The first taint with one of these effects that nothing tolerates."""
    for taint in taints:
        if taint["effect"] in effects and not any(tolerates(toleration, taint) for toleration in tolerations):
            return taint
    return None


def no_execute(node: Object) -> list[Object]:
    """The node's taints that drive pods away."""
    return [taint for taint in node["spec"].get("taints") or () if taint["effect"] == "NoExecute"]


def stay_seconds(taints: list[Object], tolerations: list[Object]) -> float | None:
    """How long a pod may stay beside NoExecute taints: 0 if one is not tolerated, None for ever."""
    if untolerated(taints, tolerations, ("NoExecute",)) is not None:
        return 0.0
    limits = [
        float(toleration["tolerationSeconds"])
        for toleration in tolerations
        if toleration.get("tolerationSeconds") is not None and any(tolerates(toleration, taint) for taint in taints)
    ]
    return max(0.0, min(limits)) if limits else None
