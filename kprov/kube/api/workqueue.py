"""A queue of keys to work on: each once at a time, however often it was asked for, and later after a failure.

The semantics are client-go's: a key that is added while it is being worked on is handed out again after ``done``;
failures wait exponentially longer.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections import deque
from collections.abc import Callable

from kprov.kube.api.metrics import REGISTRY, LabelValues

_BUCKETS = (1e-08, 1e-07, 1e-06, 1e-05, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)

_ADDS = REGISTRY.counter("workqueue_adds_total", "Total number of adds handled by workqueue", ("name",))
_RETRIES = REGISTRY.counter("workqueue_retries_total", "Total number of retries handled by workqueue", ("name",))
_WAITED = REGISTRY.histogram(
    "workqueue_queue_duration_seconds",
    "How long in seconds an item stays in workqueue before being requested.",
    ("name",),
    _BUCKETS,
)
_WORKED = REGISTRY.histogram(
    "workqueue_work_duration_seconds",
    "How long in seconds processing an item from workqueue takes.",
    ("name",),
    _BUCKETS,
)


class QueueShutDown(Exception):
    """The queue is shut down and empty: the worker ends."""


class WorkQueue:
    """A rate-limited queue of keys.

    Args:
        name: for logs and metrics; a queue without a name is in no metrics.
        base_delay: seconds before a key's first retry.
        max_delay: the longest wait before a retry.
    """

    def __init__(self, name: str = "", *, base_delay: float = 0.005, max_delay: float = 1000.0) -> None:
        self.name = name
        self._base_delay, self._max_delay = base_delay, max_delay
        self._queue: deque[str] = deque()
        self._dirty: dict[str, float] = {}  # since when it waits to be handed out
        self._processing: dict[str, float] = {}  # since when it is worked on
        self._failures: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._shut_down = False
        if name:
            _QUEUES.add(self)

    def ages(self) -> list[float]:
        """For how many seconds each key that is being worked on has been."""
        now = time.monotonic()
        return [now - since for since in self._processing.values()]

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Whether nothing waits, is delayed or is being worked on."""
        return not (self._queue or self._processing or self._timers)

    def add(self, key: str) -> None:
        """Ask for a key to be worked on as soon as possible."""
        if self._shut_down or key in self._dirty:
            return
        self._dirty[key] = time.monotonic()
        if self.name:
            _ADDS.inc(self.name)
        if key not in self._processing:
            self._queue.append(key)
            self._wake()

    def add_after(self, key: str, seconds: float) -> None:
        """Ask for a key after a while; an earlier appointment of the same key stands."""
        if self._shut_down:
            return
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def add_rate_limited(self, key: str) -> None:
        """Ask for a key again after a failure, later each time."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        if self.name:
            _RETRIES.inc(self.name)
        self.add_after(key, min(self._base_delay * 2 ** min(failures, 40), self._max_delay))

    def forget(self, key: str) -> None:
        """The key succeeded: its next failure is its first."""
        self._failures.pop(key, None)

    def retries(self, key: str) -> int:
        """How often the key failed in a row."""
        return self._failures.get(key, 0)

    async def get(self) -> str:
        """The next key; call :meth:`done` with it afterwards.

        Raises:
            QueueShutDown: there will be no more.
        """
        while not self._queue:
            if self._shut_down:
                raise QueueShutDown(self.name)
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake()  # the wake-up was ours and is not used: pass it on
                raise
        key = self._queue.popleft()
        now = time.monotonic()
        waited = now - self._dirty.pop(key, now)
        self._processing[key] = now
        if self.name:
            _WAITED.observe(waited, self.name)
        return key

    def done(self, key: str) -> None:
        """The worker has finished with the key, well or not."""
        began = self._processing.pop(key, None)
        if began is not None and self.name:
            _WORKED.observe(time.monotonic() - began, self.name)
        if key in self._dirty:
            self._queue.append(key)
            self._wake()

    def shut_down(self) -> None:
        """Take no more keys; workers get what is left, then QueueShutDown."""
        self._shut_down = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        while self._getters:
            self._wake()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return


_QUEUES: weakref.WeakSet[WorkQueue] = weakref.WeakSet()


def _of_each(measure: Callable[[WorkQueue], float]) -> Callable[[], dict[LabelValues, float]]:
    return lambda: {(queue.name,): measure(queue) for queue in _QUEUES}


REGISTRY.gauge("workqueue_depth", "Current depth of workqueue", ("name",), _of_each(lambda queue: float(len(queue))))
REGISTRY.gauge(
    "workqueue_unfinished_work_seconds",
    "How many seconds of work has been done that is in progress and hasn't been observed by work_duration.",
    ("name",),
    _of_each(lambda queue: sum(queue.ages())),
)
REGISTRY.gauge(
    "workqueue_longest_running_processor_seconds",
    "How many seconds has the longest running processor for workqueue been running.",
    ("name",),
    _of_each(lambda queue: max(queue.ages(), default=0.0)),
)
