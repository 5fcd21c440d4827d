"""One watch on all of etcd, feeding the cache of every kind.

A single stream has what many have not: one order. Every revision of etcd's is an event on it, so "the cache is as
fresh as revision R" is simply "the stream has passed R", and no progress notifications are needed for it. (Those that a
client asks for may overtake events in etcd before 3.4.25.) Decoding happens only for the kinds that somebody uses.
"""

from __future__ import annotations

import asyncio
import logging
import time
from heapq import heappop, heappush

from kprov.kube.apiserver.storage.cache import ResourceCache
from kprov.kube.apiserver.storage.etcd import Compacted, EtcdClient, EtcdError
from kprov.kube.apiserver.storage.etcd_metrics import kind_of
from kprov.kube.apiserver.storage.packed import PackedRoom

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds between attempts to watch
_SILENCE_SECONDS = 3.0  # after so long without an event, ask whether something was missed


class NotFreshInTime(Exception):
    """The stream did not reach a revision in time."""

    def __init__(self, asked: int, reached: int) -> None:
        super().__init__(f"Too large resource version: {asked}, current: {reached}")
        self.asked, self.reached = asked, reached


class Hub:
    """Follows etcd and knows how far it is."""

    def __init__(self, etcd: EtcdClient, root: str) -> None:
        self._etcd = etcd
        self._root = f"{root}/".encode()
        self._caches: dict[bytes, ResourceCache] = {}
        self._packed = PackedRoom()
        self.position = 0  # everything up to this revision is in the caches
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._serial = 0
        self._last_heard = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._stream: asyncio.Task[None] | None = None

    def cache(self, prefix: bytes) -> ResourceCache:
        """The cache of the keys below a prefix ("/registry/pods/"), empty until it is first loaded."""
        if prefix not in self._caches:
            self._caches[prefix] = ResourceCache(prefix, self._etcd, self._packed)
        return self._caches[prefix]

    def counts(self) -> dict[tuple[str, ...], float]:
        """How many objects there are of each kind that somebody asked for."""
        found: dict[tuple[str, ...], float] = {}
        for prefix, cache in self._caches.items():
            if cache.loaded and (kind := kind_of(prefix)):
                found[(kind,)] = float(len(cache.entries))
        return found

    async def start(self) -> None:
        """Begin to follow. Raises EtcdError where etcd does not answer."""
        self.position = await self._etcd.current_revision()
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._guard())]

    async def stop(self) -> None:
        """End the stream, and with it every feed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for cache in self._caches.values():
            cache.reset()

    def end_feeds(self) -> None:
        """End every watch; the caches go on."""
        for cache in self._caches.values():
            for feed in tuple(cache.feeds):
                feed.close()

    async def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            position = self.position
            self._stream = asyncio.create_task(self._read_stream())
            try:
                await asyncio.wait((self._stream,))
                if not self._stream.cancelled():
                    self._stream.result()
            except Compacted:
                _log.warning("etcd compacted what this server had not read yet: caches are loaded anew")
                await self._begin_anew()
            except EtcdError as error:
                if pause == _FIRST_PAUSE:  # once an outage
                    _log.warning("%s; watching again from revision %d", error, self.position + 1)
            finally:
                self._stream.cancel()
            pause = _FIRST_PAUSE if self.position > position else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _begin_anew(self) -> None:
        try:
            revision = await self._etcd.current_revision()
        except EtcdError as error:
            _log.warning("%s", error)
            return
        for cache in self._caches.values():
            cache.reset()
        self._advance(revision)
        for cache in self._caches.values():
            if cache.subscribers:  # nobody asks on their behalf
                self._tasks.append(asyncio.create_task(self._reload(cache)))

    @staticmethod
    async def _reload(cache: ResourceCache) -> None:
        while not cache.loaded:
            try:
                await cache.ensure_loaded()
            except EtcdError as error:
                _log.warning("%s", error)
                await asyncio.sleep(0.5)

    async def _read_stream(self) -> None:
        caches, root = self._caches, self._root
        async for response in self._etcd.watch_all(self.position + 1):
            self._last_heard = time.monotonic()
            for event in response.events:
                key = event.kv.key
                if not key.startswith(root):
                    continue
                first = key.find(b"/", len(root))
                cache = caches.get(key[: first + 1])
                if cache is None:
                    cache = caches.get(key[: key.find(b"/", first + 1) + 1])
                    if cache is None:
                        continue
                try:
                    cache.apply(event)
                except Exception:
                    _log.exception("%r cannot be read: its kind is loaded anew at the next use", key)
                    cache.reset()
                    if cache.subscribers:
                        self._tasks.append(asyncio.create_task(self._reload(cache)))
            if response.events:
                self._advance(response.events[-1].kv.mod_revision)

    def _advance(self, revision: int) -> None:
        self.position = max(self.position, revision)
        while self._waiting and self._waiting[0][0] <= revision:
            future = heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    async def _guard(self) -> None:
        """A member cut off from the others may keep a stream open and silent: notice, and go elsewhere."""
        while True:
            await asyncio.sleep(_SILENCE_SECONDS)
            if time.monotonic() - self._last_heard < _SILENCE_SECONDS:
                continue
            try:
                revision = await self._etcd.current_revision()
                if revision > self.position:
                    await self.wait_for(revision, _SILENCE_SECONDS)
            except EtcdError as error:
                _log.warning("%s", error)
            except NotFreshInTime as error:
                _log.warning("the watch on etcd is stuck (%s): opening another", error)
                if self._stream is not None:
                    self._stream.cancel()

    async def wait_for(self, revision: int, seconds: float = 3.0) -> None:
        """Return once the caches have reached a revision.

        Raises:
            NotFreshInTime: they did not within so many seconds.
        """
        if self.position >= revision:
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._serial += 1
        heappush(self._waiting, (revision, self._serial, future))

        def late() -> None:
            if not future.done():
                future.set_exception(NotFreshInTime(revision, self.position))

        handle = loop.call_later(seconds, late)
        try:
            await future
        finally:
            handle.cancel()
