"""A deployment's status: counts, and the conditions Available, Progressing and ReplicaFailure."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.clock import format_time, parse_time
from kprov.kube.controllers.deployment.numbers import max_unavailable, status_sum
from kprov.kube.controllers.pod_state import condition

Object = dict[str, Any]
NO_DEADLINE = 2**31 - 1


def set_condition(conditions: list[Object], new: Object) -> list[Object]:
    """The list with ``new`` in place of its type's; the transition time stays while the status does."""
    old = next((c for c in conditions if c["type"] == new["type"]), None)
    if old is not None:
        if old["status"] == new["status"] and old.get("reason") == new.get("reason"):
            return conditions
        if old["status"] == new["status"]:
            new = {**new, "lastTransitionTime": old.get("lastTransitionTime", new["lastTransitionTime"])}
    return [c for c in conditions if c["type"] != new["type"]] + [new]


def make_condition(kind: str, status: str, reason: str, message: str, now: float) -> Object:
    """A deployment condition that begins now."""
    stamp = format_time(now)
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
        "reason": reason,
        "message": message,
    }


def counts(deployment: Object, replica_sets: list[Object], new: Object | None) -> Object:
    """The numbers of the status, and the conditions that follow from them alone."""
    available = status_sum(replica_sets, "availableReplicas")
    total = status_sum(replica_sets, "replicas")
    numbers = {
        "replicas": total,
        "updatedReplicas": status_sum([new], "replicas") if new else 0,
        "readyReplicas": status_sum(replica_sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(total_wanted(replica_sets) - available, 0),
    }
    status: Object = {"observedGeneration": deployment["metadata"].get("generation", 0)}
    status |= {name: number for name, number in numbers.items() if number}
    old = deployment.get("status") or {}
    if old.get("collisionCount"):
        status["collisionCount"] = old["collisionCount"]
    return status


def total_wanted(replica_sets: list[Object]) -> int:
    """What the sets should run together."""
    return sum(rs["spec"].get("replicas", 1) for rs in replica_sets)


def availability(deployment: Object, status: Object, now: float) -> Object:
    """The Available condition."""
    wanted = deployment["spec"].get("replicas", 1)
    if status.get("availableReplicas", 0) >= wanted - max_unavailable(deployment):
        return make_condition(
            "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now
        )
    return make_condition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now
    )


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether the rollout is over: everything new, everything available, nothing old, and seen by us."""
    wanted = deployment["spec"].get("replicas", 1)
    return bool(
        status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
        and status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    )


def is_progressing(deployment: Object, status: Object) -> bool:
    """Whether the numbers moved the right way since the status was last written."""
    old = deployment.get("status") or {}

    def grew(field: str) -> bool:
        return bool(status.get(field, 0) > old.get(field, 0))

    def old_pods(s: Object) -> int:
        return int(s.get("replicas", 0) - s.get("updatedReplicas", 0))

    return (
        grew("updatedReplicas")
        or old_pods(status) < old_pods(old)
        or grew("readyReplicas")
        or grew("availableReplicas")
    )


def has_deadline(deployment: Object) -> bool:
    """Whether the deployment says how long a rollout may take."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    return deadline is not None and deadline != NO_DEADLINE


def is_timed_out(deployment: Object, status: Object, now: float) -> bool:
    """Whether the rollout made no progress for longer than its deadline."""
    progressing = condition({"status": status}, "Progressing")
    if progressing is None or progressing.get("reason") == "NewReplicaSetAvailable":
        return False
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return True
    since = parse_time(progressing.get("lastUpdateTime")) or now
    return bool(since + deployment["spec"]["progressDeadlineSeconds"] < now)


def progress(deployment: Object, status: Object, new: Object | None, now: float) -> list[Object]:
    """The status's conditions with Progressing brought up to date. ``status`` holds the numbers and the conditions."""
    conditions: list[Object] = status["conditions"]
    if not has_deadline(deployment):
        return [c for c in conditions if c["type"] != "Progressing"]
    current = condition({"status": status}, "Progressing")
    settled = (
        status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and current is not None
        and current.get("reason") == "NewReplicaSetAvailable"
    )
    if settled:
        return conditions
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    if is_complete(deployment, status):
        done = make_condition(
            "Progressing", "True", "NewReplicaSetAvailable", f"{subject} has successfully progressed.", now
        )
        return set_condition(conditions, done)
    if is_progressing(deployment, status):
        moving = make_condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now)
        if current is not None:
            if current["status"] == "True":
                moving["lastTransitionTime"] = current["lastTransitionTime"]
            conditions = [c for c in conditions if c["type"] != "Progressing"]
        # Replaced even if only the time differs: the deadline counts from the last progress.
        return [*conditions, moving]
    if is_timed_out(deployment, status, now):
        late = make_condition(
            "Progressing", "False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing.", now
        )
        return set_condition(conditions, late)
    return conditions


def replica_failure(replica_sets: list[Object], new: Object | None) -> Object | None:
    """The ReplicaFailure condition that the sets report, the new set's first."""
    ordered = ([new] if new else []) + [rs for rs in replica_sets if new is None or rs is not new]
    for replica_set in ordered:
        failure = condition(replica_set, "ReplicaFailure")
        if failure is not None:
            return {**failure, "lastUpdateTime": failure.get("lastTransitionTime")}
    return None
