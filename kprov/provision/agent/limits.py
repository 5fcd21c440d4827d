"""How long a task may take on this machine: what it is busy with is interrupted, what it started is killed."""

from __future__ import annotations

# What the module signal is made of, without the enumerations, whose import takes as long as connecting.
import _signal  # type: ignore[import-not-found]
import time
from typing import Any

# A task that does not end when it is interrupted is held by the kernel, as by a disk that does not answer.
GRACE = 5.0

# Until the controller says it.
FINISH = 600.0


class TimeUp(BaseException):
    """Raised within the task whose time is up; no module takes it for a failure of its own."""


class Limits:
    """The time that tasks have, as the controller says it. Used as a context, it is that of one task.

    The kinds are those of the controller's timeouts: ``task`` holds for each task from its own beginning, ``phase`` for
    all from when the controller said so.
    """

    def __init__(self) -> None:
        self._task: float | None = None
        self._phase: float | None = None
        self._phase_end: float | None = None
        self._deadline: float | None = None
        self._rings = False
        self.kind = "task"
        self.seconds = 0.0
        self.finish = FINISH
        """What is let finish when the connection ends (dpkg) gets so long."""

    def take(self, message: dict[str, Any]) -> None:
        """Take what the controller says: ``task``, ``phase``, ``finish`` in seconds; ``left`` of the phase."""
        self.finish = message.get("finish", FINISH)
        self._task = message.get("task")
        self._phase = message.get("phase")
        left = message.get("left")
        self._phase_end = None if left is None else message.get("received", time.monotonic()) + left
        if not self._rings:
            try:
                _signal.signal(_signal.SIGALRM, _ring)
            except ValueError:
                return  # only a process's main thread can be interrupted
            self._rings = True

    @property
    def overdue(self) -> bool:
        """Whether the task under way goes on although it was interrupted."""
        deadline = self._deadline
        return deadline is not None and time.monotonic() > deadline + GRACE

    def words(self) -> str:
        """What a message says of the time that was up."""
        return "after %g s (timeout %s; a longer one: --timeout %s=DURATION)" % (self.seconds, self.kind, self.kind)

    def __enter__(self) -> None:
        """A task begins. Raises TimeUp when its time was up before, and in the midst of it when it is."""
        now = time.monotonic()
        deadline, self.kind, self.seconds = None, "task", self._task or 0.0
        if self._task is not None:
            deadline = now + self._task
        if self._phase_end is not None and (deadline is None or self._phase_end < deadline):
            deadline, self.kind, self.seconds = self._phase_end, "phase", self._phase or 0.0
        if deadline is None or not self._rings:
            return
        if deadline <= now:
            raise TimeUp
        self._deadline = deadline
        _signal.setitimer(_signal.ITIMER_REAL, deadline - now)

    def __exit__(self, *_: object) -> None:
        if self._deadline is not None:
            _signal.setitimer(_signal.ITIMER_REAL, 0)
            self._deadline = None


def _ring(number: int, frame: object) -> None:
    raise TimeUp
