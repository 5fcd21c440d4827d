"""How long requests may take, watched by one timer for all of them.

``asyncio.timeout`` sets a timer for each request and takes it away again, which is a twentieth of what a GET costs. Who
is over time is found here by looking through all that run, every now and then.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

_LONGEST_INTERVAL = 1.0


class Deadlines:
    """Ends what takes longer than it may.

    Args:
        seconds: that each may take. It is noticed within a tenth of them, or within a second.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._interval = min(_LONGEST_INTERVAL, seconds / 10)
        self._running: set[Limit] = set()
        self._looking: asyncio.TimerHandle | None = None

    def limit(self) -> Limit:
        """A context in which the current task may be for so long; raises TimeoutError where it was longer."""
        return Limit(self)

    def begin(self, limit: Limit) -> float:
        """Watch a limit; returns the loop's time when it ends."""
        loop = asyncio.get_running_loop()
        self._running.add(limit)
        if self._looking is None:
            self._looking = loop.call_later(self._interval, self._look, loop)
        return loop.time() + self._seconds

    def end(self, limit: Limit) -> None:
        """Watch a limit no longer."""
        self._running.discard(limit)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for limit in [each for each in self._running if each.ends <= now]:
            self._running.discard(limit)
            limit.expire()
        self._looking = loop.call_later(self._interval, self._look, loop) if self._running else None


class Limit:
    """The time that one task may be in a context."""

    __slots__ = ("_cancelling", "_deadlines", "_expired", "_task", "ends")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._expired = False

    def expire(self) -> None:
        """Cancel what is in the context."""
        self._expired = True
        self._task.cancel()

    def __enter__(self) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be limited")
        self._task, self._cancelling = task, task.cancelling()
        self.ends = self._deadlines.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises TimeoutError in place of the CancelledError that came of the limit, and of nothing else."""
        self._deadlines.end(self)
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
