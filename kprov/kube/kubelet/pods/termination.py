"""What ends a pod besides its object's deletion, and how long its containers may take for it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from kprov.kube.api import clock

Pod = dict[str, Any]

# As upstream words it: what a pod ends with whose machine goes down.
SHUT_DOWN = ("Terminated", "Pod was terminated in response to imminent node shutdown.")
EXPIRED = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
_EVICTED_GRACE, _USUAL_GRACE = 1.0, 30.0


class Termination:
    """Why a pod is ended here: it was evicted, it has had its time, or the machine goes down."""

    def __init__(self) -> None:
        self.failure: tuple[str, str] | None = None
        """What its status says of it: reason and message."""
        self.shut_down_by: float | None = None
        """The loop's time when the pod's part of a shutdown is over."""

    @property
    def by_shutdown(self) -> bool:
        """Whether it goes with its machine."""
        return self.failure == SHUT_DOWN

    def left(self) -> float:
        """Seconds of a shutdown that are the pod's."""
        assert self.shut_down_by is not None
        return max(self.shut_down_by - asyncio.get_running_loop().time(), 0)

    def grace_of(self, pod: Pod) -> float:
        """Seconds that its containers have to stop by themselves."""
        deletion = pod["metadata"].get("deletionGracePeriodSeconds")
        if self.failure and self.failure[0] == "Evicted" and deletion is None:
            return _EVICTED_GRACE
        grace = deletion if deletion is not None else pod["spec"].get("terminationGracePeriodSeconds")
        wanted = _USUAL_GRACE if grace is None else float(grace)
        return wanted if self.shut_down_by is None else min(wanted, self.left())


def time_left(pod: Pod, started: str | None) -> float | None:
    """Seconds until a pod has had its activeDeadlineSeconds; None where it has all the time in the world."""
    limit = pod["spec"].get("activeDeadlineSeconds")
    return clock.seconds_of(started) + limit - time.time() if limit is not None and started else None
