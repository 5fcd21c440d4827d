"""The cache of one kind: an ordered map of entries, a ring of recent events, and those who watch."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from kprov.kube.apiserver.http.message import Outlet
from kprov.kube.apiserver.storage.audience import Audiences, Line, Told
from kprov.kube.apiserver.storage.entry import ADDED, DELETED, MODIFIED, CacheEvent, Entry
from kprov.kube.apiserver.storage.etcd import EtcdClient
from kprov.kube.apiserver.storage.etcd_metrics import timed
from kprov.kube.apiserver.storage.feed import Feed
from kprov.kube.apiserver.storage.keys import range_end
from kprov.kube.apiserver.storage.packed import PackedRoom

_log = logging.getLogger(__name__)

RING = 1_000
_PAGE = 2_000

Subscriber = Callable[[Entry | None, Entry | None], None]


class TooOld(Exception):
    """A watch asks for events that the ring no longer holds."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {asked} ({oldest})")


class ResourceCache:
    """Everything of one kind, as of the revision that the stream of changes has reached.

    Args:
        prefix: what its keys begin with.
        etcd: where they are read.
        room: for what is kept of entries in protobuf; the same for all caches.
    """

    def __init__(self, prefix: bytes, etcd: EtcdClient, room: PackedRoom | None = None) -> None:
        self.prefix = prefix
        self._room = room or PackedRoom()
        self._etcd = etcd
        self.entries: dict[str, Entry] = {}
        self._keys: list[str] = []
        self._ring: deque[CacheEvent] = deque(maxlen=RING)
        self._oldest = 0  # a watch from this revision on can be served
        self.last_event = 0
        self.loaded = False
        self._generation = 0  # counts losses of history, so that a load which one overtook starts again
        self._loading: asyncio.Task[None] | None = None
        self._early: list[Any] | None = None  # events that arrive while the first list is read
        self.feeds: set[Feed] = set()
        self._reading: set[Feed] = set()  # feeds that are in no audience
        self._audiences = Audiences(Feed.TAKEN_BYTES)
        self.subscribers: list[Subscriber] = []

    async def ensure_loaded(self) -> None:
        """Return once the cache holds the kind. Raises EtcdError where etcd does not answer."""
        if self.loaded:
            return
        if self._loading is None:
            self._loading = asyncio.ensure_future(self._load())
        try:
            await asyncio.shield(self._loading)
        finally:
            if self._loading is not None and self._loading.done():
                self._loading = None

    async def _load(self) -> None:
        try:
            while True:
                generation, self._early = self._generation, []
                entries, revision = await self._read_all()
                if generation == self._generation:
                    break
            early = self._early
            before, self.entries = self.entries, entries
            for entry in before.values():
                entry.leave()
            for entry in entries.values():
                entry.enter(self._room)
            self._keys = sorted(entries)
            self._ring.clear()
            self._oldest = self.last_event = revision
            self.loaded = True
            self._tell_difference(before)
            for event in early:
                if event.kv.mod_revision > revision:
                    self.apply(event)
        finally:
            self._early = None

    async def _read_all(self) -> tuple[dict[str, Entry], int]:
        """Every entry at one revision, and that revision."""
        entries: dict[str, Entry] = {}
        start, end, revision = self.prefix, range_end(self.prefix), 0
        cut = len(self.prefix)
        while True:
            with timed("list", self.prefix):
                response = await self._etcd.range(start, end, limit=_PAGE, revision=revision)
            revision = revision or response.header.revision
            for kv in response.kvs:
                key = kv.key[cut:].decode()
                try:
                    entries[key] = Entry.stored(key, kv.mod_revision, kv.value)
                except ValueError as error:  # orjson's too
                    _log.error("%r is skipped: its value is not an object in JSON (%s)", kv.key, error)
            if not response.more:
                return entries, revision
            start = response.kvs[-1].key + b"\0"

    def _tell_difference(self, before: dict[str, Entry]) -> None:
        """Subscribers live through a reload: they hear what differs."""
        if not self.subscribers:
            return
        for key, entry in self.entries.items():
            old = before.get(key)
            if old is None or old.revision != entry.revision:
                self._publish(old, entry)
        for key, old in before.items():
            if key not in self.entries:
                self._publish(old, None)

    def _publish(self, old: Entry | None, new: Entry | None) -> None:
        for subscriber in self.subscribers:
            subscriber(old, new)

    def reset(self) -> None:
        """History was lost: end all watches, and load again at the next use."""
        self.loaded = False
        self._generation += 1
        self.tell()
        for feed in tuple(self.feeds):
            feed.close()

    def apply(self, event: Any) -> None:
        """Take over one event of etcd's (an mvccpb.Event), in order."""
        if not self.loaded:
            if self._early is not None:
                self._early.append(event)
            return
        revision: int = event.kv.mod_revision
        if revision <= self._oldest:
            return  # the list had it already
        key = event.kv.key[len(self.prefix) :].decode()
        previous = self.entries.get(key)
        if event.type == 1:
            if previous is None:
                return
            del self.entries[key]
            del self._keys[bisect_left(self._keys, key)]
            change = CacheEvent(DELETED, revision, previous.deleted_at(revision), previous)
            new = None
        else:
            new = Entry.stored(key, revision, event.kv.value)
            new.enter(self._room)
            if previous is None:
                insort(self._keys, key)
            self.entries[key] = new
            change = CacheEvent(MODIFIED if previous else ADDED, revision, new, previous)
        if previous is not None:
            previous.leave()
        self.last_event = revision
        ring = self._ring
        if len(ring) == RING:
            self._oldest = ring[0].revision
        ring.append(change)
        for feed in tuple(self._reading):
            if key.startswith(feed.prefix):
                feed.push(change)
        if self._audiences:
            self._audiences.tell_soon(change)
        if self.subscribers:
            self._publish(previous, new)

    def tell(self) -> None:
        """Tell audiences what they have not been told yet."""
        self._audiences.tell()

    def join(self, feed: Feed, key: Hashable, line: Line, outlet: Outlet, told: Told | None = None) -> None:
        """See ``Feed.join``."""
        self._audiences.join(feed, key, line, outlet, told)
        self._reading.discard(feed)

    def leave(self, feed: Feed) -> None:
        """Take a feed out of its audience."""
        self._audiences.leave(feed)
        self._reading.add(feed)

    def forget(self, feed: Feed) -> None:
        """Give a feed nothing more."""
        self._audiences.leave(feed)
        self.feeds.discard(feed)
        self._reading.discard(feed)

    def select(self, prefix: str = "", start: str = "") -> Iterator[Entry]:
        """Entries in the order of their keys, of one namespace ("ns/") or all, from a key on."""
        keys, entries = self._keys, self.entries
        position = bisect_left(keys, max(prefix, start))
        if not prefix:
            for key in keys[position:] if position else keys:
                yield entries[key]
            return
        for key in keys[position : bisect_left(keys, prefix[:-1] + "0")]:  # "0" follows "/"
            yield entries[key]

    def open_feed(self, prefix: str, after: int | None) -> Feed:
        """A feed of what happens from now on, or after a revision.

        Raises:
            TooOld: the ring does not reach back that far.
        """
        feed = Feed(self, prefix)
        if after is not None and after < self.last_event:
            if after < self._oldest:
                raise TooOld(after, self._oldest)
            feed.pending.extend(
                event for event in self._ring if event.revision > after and event.current.key.startswith(prefix)
            )
        self.feeds.add(feed)
        self._reading.add(feed)
        return feed
