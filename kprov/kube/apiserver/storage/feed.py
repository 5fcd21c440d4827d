"""What one watcher has not read yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from kprov.kube.apiserver.http.message import Outlet
from kprov.kube.apiserver.storage.audience import Line, Told
from kprov.kube.apiserver.storage.entry import CacheEvent

if TYPE_CHECKING:
    from kprov.kube.apiserver.storage.cache import ResourceCache


class Feed:
    """The events that one watcher has not read yet. ``closed`` when the watcher is too slow or the cache reloads."""

    LIMIT = 10_000
    LIMIT_BYTES = 64 << 20
    TAKEN_BYTES = 64 << 10

    __slots__ = ("_bytes", "_cache", "_wakeup", "closed", "joined", "pending", "prefix")

    def __init__(self, cache: ResourceCache, prefix: str) -> None:
        self._cache = cache
        self.prefix = prefix  # "namespace/", an exact key, or "" for all
        self.pending: deque[CacheEvent] = deque()
        self._wakeup: asyncio.Future[None] | None = None
        self.closed = False
        self.joined = False  # an audience
        self._bytes = 0  # of what was pushed and not taken

    def push(self, event: CacheEvent) -> None:
        """Add an event; called by the cache."""
        if len(self.pending) >= self.LIMIT or self._bytes > self.LIMIT_BYTES:
            self.close()
            return
        self.pending.append(event)
        self._bytes += len(event.current.raw)
        self.wake()

    def wake(self) -> None:
        """Let ``wait`` return."""
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Return when there are events, when the feed is closed, or after some seconds."""
        if self.pending or self.closed:
            return
        self._wakeup = asyncio.get_running_loop().create_future()
        handle = asyncio.get_running_loop().call_later(max(0.0, seconds), self.wake)
        try:
            await self._wakeup
        finally:
            handle.cancel()
            self._wakeup = None

    def take(self) -> list[CacheEvent]:
        """The next events: not more of them than what may lie in memory for each of many who read slowly."""
        pending, events, size = self.pending, [], 0
        while pending and size < self.TAKEN_BYTES:
            event = pending.popleft()
            size += len(event.current.raw)
            events.append(event)
        self._bytes = max(0, self._bytes - size) if pending else 0
        return events

    def join(self, key: Hashable, line: Line, outlet: Outlet, told: Told | None = None) -> None:
        """Leave events to the audience of all feeds with this prefix and key, whose events ``line`` puts into words.

        They are sent to the outlet from now on, and none is ``pending``, until the outlet's client is too slow.
        ``told`` hears of each.
        """
        self._cache.join(self, key, line, outlet, told)
        self.joined = True

    def fall_behind(self, events: Sequence[CacheEvent]) -> None:
        """Read by oneself again, from these events on; called by the audience."""
        self._cache.leave(self)
        self.joined = False
        for event in events:
            if event.current.key.startswith(self.prefix):
                self.push(event)
        self.wake()

    def close(self) -> None:
        """No further events."""
        self.closed = True
        self._cache.forget(self)
        self.wake()
