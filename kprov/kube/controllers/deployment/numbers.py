"""The arithmetic of a rollout: surge, unavailability, proportions."""

from __future__ import annotations

import math
from typing import Any

Object = dict[str, Any]
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"  # the size, surge included, at a set's last scaling


def scaled(value: int | str, total: int, *, round_up: bool) -> int:
    """An IntOrString against a total: 3 is 3, "25%" is a quarter, rounded as asked."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * total / 100
    return math.ceil(share) if round_up else math.floor(share)


def is_rolling(deployment: Object) -> bool:
    """Whether the strategy is RollingUpdate."""
    return bool((deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")


def fenceposts(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers; not both 0, or nothing could ever move."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    replicas = deployment["spec"].get("replicas", 1)
    surge = scaled(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable


def max_surge(deployment: Object) -> int:
    """Pods above the wanted number that a rollout may run; 0 for Recreate."""
    return fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    """Pods below the wanted number that a rollout may leave; 0 for Recreate."""
    replicas: int = deployment["spec"].get("replicas", 1)
    if not is_rolling(deployment) or replicas == 0:
        return 0
    return min(fenceposts(deployment)[1], replicas)


def replicas_of(replica_sets: list[Object]) -> int:
    """The sum of what the sets are told to run."""
    return sum(rs["spec"].get("replicas", 1) for rs in replica_sets)


def status_sum(replica_sets: list[Object], field: str) -> int:
    """The sum of a number in the sets' status."""
    return sum((rs.get("status") or {}).get(field, 0) for rs in replica_sets)


def new_set_replicas(deployment: Object, replica_sets: list[Object], new: Object) -> int:
    """How many replicas the new set may have now."""
    wanted: int = deployment["spec"].get("replicas", 1)
    if not is_rolling(deployment):
        return wanted
    current: int = new["spec"].get("replicas", 1)
    room = wanted + max_surge(deployment) - replicas_of(replica_sets)
    if room <= 0:
        return current
    return current + min(room, wanted - current)


def proportions(deployment: Object, active: list[Object]) -> dict[str, int]:
    """Spread a scaling of the whole deployment over its active sets, by their share.

    The largest set goes first (among equals the newest when growing, the oldest when shrinking) and takes what
    rounding leaves over.

    Returns: ReplicaSet's name -> its replicas.
    """
    wanted = deployment["spec"].get("replicas", 1)
    allowed = wanted + max_surge(deployment) if wanted else 0
    sizes = {rs["metadata"]["name"]: rs["spec"].get("replicas", 1) for rs in active}
    to_add = allowed - sum(sizes.values())
    if to_add == 0:
        return sizes
    ordered = sorted(active, key=lambda rs: rs["metadata"].get("creationTimestamp") or "", reverse=to_add > 0)
    ordered.sort(key=lambda rs: -rs["spec"].get("replicas", 1))
    added = 0
    for replica_set in ordered:
        size = sizes[replica_set["metadata"]["name"]]
        if added == to_add:
            continue
        if wanted == 0:
            share = -size
        else:
            noted = (replica_set["metadata"].get("annotations") or {}).get(MAX_REPLICAS, "")
            base = int(noted) if noted.isdigit() else (deployment.get("status") or {}).get("replicas", 0)
            # Half away from zero, as upstream rounds: Python's round() would go to the even number.
            share = math.floor(size * allowed / (base or size) + 0.5) - size
        left = to_add - added
        share = min(share, left) if to_add > 0 else max(share, left)
        sizes[replica_set["metadata"]["name"]] = size + share
        added += share
    first = ordered[0]["metadata"]["name"]
    sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes
