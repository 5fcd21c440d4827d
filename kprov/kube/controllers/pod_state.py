"""What a pod's status says: ready, available, active; and which pod to give up first."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.clock import parse_time

Object = dict[str, Any]
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def condition(obj: Object, kind: str) -> Object | None:
    """A condition of an object's status by its type."""
    for entry in (obj.get("status") or {}).get("conditions") or ():
        if entry.get("type") == kind:
            found: Object = entry
            return found
    return None


def phase(pod: Object) -> str:
    """The pod's phase; a pod that nobody has reported on is Pending."""
    return (pod.get("status") or {}).get("phase") or "Pending"


def is_finished(pod: Object) -> bool:
    """Whether the pod's containers have ended for good."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether the pod counts as a replica: neither finished nor being deleted."""
    return not is_finished(pod) and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is True."""
    ready = condition(pod, "Ready")
    return ready is not None and ready.get("status") == "True"


def ready_since(pod: Object) -> float | None:
    """When the pod became ready; None if it is not."""
    ready = condition(pod, "Ready")
    if ready is None or ready.get("status") != "True":
        return None
    return parse_time(ready.get("lastTransitionTime")) or 0.0


def is_available(pod: Object, min_ready_seconds: int, now: float) -> bool:
    """Whether the pod has been ready for ``min_ready_seconds``."""
    since = ready_since(pod)
    if since is None:
        return False
    return min_ready_seconds == 0 or since + min_ready_seconds <= now


def restarts(pod: Object) -> int:
    """The highest restart count of the pod's containers."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((status.get("restartCount", 0) for status in statuses), default=0)


def deletion_rank(pod: Object, neighbours: int = 0) -> tuple[Any, ...]:
    """A sort key: the pod to delete first comes first.

    Upstream's order: unassigned, then pending, unknown, running; not ready; low deletion cost; on a node with many
    of its siblings (``neighbours``); ready for a shorter time; restarted more often; younger.
    """
    cost = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    try:
        cost_value = int(cost)
    except ValueError:
        cost_value = 0
    since = ready_since(pod)
    created = parse_time(pod["metadata"].get("creationTimestamp")) or float("inf")
    return (
        bool((pod.get("spec") or {}).get("nodeName")),
        {"Pending": 0, "Unknown": 1}.get(phase(pod), 2),
        since is not None,
        cost_value,
        -neighbours,
        -(since if since is not None else 0.0),
        -restarts(pod),
        -created,
    )
