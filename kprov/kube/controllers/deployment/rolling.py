"""One step of a rolling update: how many replicas each set should have now. Pure arithmetic, no calls."""

from __future__ import annotations

from typing import Any

from kprov.kube.controllers.deployment.history import oldest_first
from kprov.kube.controllers.deployment.numbers import max_unavailable, new_set_replicas, replicas_of, status_sum

Object = dict[str, Any]
Sizes = dict[str, int]  # ReplicaSet's name -> replicas


def _size(replica_set: Object) -> int:
    size: int = replica_set["spec"].get("replicas", 1)
    return size


def scale_up(deployment: Object, new: Object, old: list[Object]) -> int | None:
    """The new set's size in this step, or None if it is as it should be."""
    wanted = deployment["spec"].get("replicas", 1)
    if _size(new) == wanted:
        return None
    if _size(new) > wanted:
        return int(wanted)
    size = new_set_replicas(deployment, [*old, new], new)
    return None if size == _size(new) else size


def scale_down(deployment: Object, new: Object, old: list[Object]) -> Sizes:
    """The old sets' sizes in this step: first what is unhealthy anyway, then what availability can spare."""
    if replicas_of(old) == 0:
        return {}
    minimum = deployment["spec"].get("replicas", 1) - max_unavailable(deployment)
    unavailable_new = _size(new) - status_sum([new], "availableReplicas")
    budget = replicas_of([*old, new]) - minimum - unavailable_new
    if budget <= 0:
        return {}
    ordered = sorted(old, key=oldest_first)
    sizes: Sizes = {}
    for replica_set in ordered:
        if budget <= 0:
            break
        unhealthy = _size(replica_set) - status_sum([replica_set], "availableReplicas")
        if _size(replica_set) and unhealthy > 0:
            given_up = min(budget, unhealthy)
            sizes[replica_set["metadata"]["name"]] = _size(replica_set) - given_up
            budget -= given_up
    # A set that was made smaller a moment ago may still count pods that are on their way out.
    spare = sum(min(_size(each), status_sum([each], "availableReplicas")) for each in [*old, new]) - minimum
    for replica_set in ordered:
        if spare <= 0:
            break
        name = replica_set["metadata"]["name"]
        size = sizes.get(name, _size(replica_set))
        if size:
            given_up = min(size, spare)
            sizes[name] = size - given_up
            spare -= given_up
    return sizes
