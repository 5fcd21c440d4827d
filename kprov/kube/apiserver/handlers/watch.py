"""Watches: what changes, as it changes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.handlers.list_options import check_watch
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.handlers.read import cache_at_least, key_prefix, parse_revision
from kprov.kube.apiserver.http.message import Outlet, Request, Stream
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.query import number
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.resources.selection import Selection
from kprov.kube.apiserver.storage.cache import ResourceCache, TooOld
from kprov.kube.apiserver.storage.entry import ADDED, DELETED, MODIFIED, CacheEvent, Entry
from kprov.kube.apiserver.storage.feed import Feed
from kprov.kube.apiserver.watch_metrics import told_of

_BOOKMARK_SECONDS = 60.0
_LONGEST_SECONDS = 365 * 86_400


async def watch(parts: Parts, request: Request, info: ResourceInfo) -> Stream:
    """A stream of events from where the request says."""
    renderer = Renderer(request, info)
    query = request.query
    namespace = request.info.namespace
    selector = _field_selector(request)
    selection = Selection(info, request.info.api_version, query.get("labelSelector", ""), selector)
    version = query.get("resourceVersion", "")
    check_watch(request)
    asked, anywhere = request.flag("sendInitialEvents"), version in ("", "0")
    send_initial = asked or (anywhere and "sendInitialEvents" not in query)
    if send_initial or anywhere:
        cache = await cache_at_least(parts, info, version)
    else:
        cache = await parts.store.loaded(info)
    prefix = key_prefix(info, namespace)
    if selection.name is not None and (namespace or not info.namespaced):
        prefix = f"{namespace}/{selection.name}" if info.namespaced else selection.name
    after = None if send_initial or anywhere else parse_revision(version)
    stream = Stream(iter_nothing())
    kind = renderer.form.content_type
    stream.content_type = "application/json" if renderer.form.ready else f"{kind};stream=watch"
    stream.headers["Cache-Control"] = "no-cache, private"
    try:
        feed = cache.open_feed(prefix, after)
    except TooOld as error:
        stream.chunks = _error(renderer, errors.expired(str(error)))
        return stream
    start = (
        [entry for entry in cache.select(key_prefix(info, namespace)) if entry.key.startswith(prefix)]
        if send_initial
        else []
    )
    revision = parts.store.position(cache)
    watcher = _Watcher(parts, renderer, selection, cache, feed)
    if renderer.stateless and kinds.find(*info.key) is None:
        watcher.shared = (request.info.api_version, renderer.form, selector, query.get("labelSelector", ""))
        stream.take_outlet = watcher.take_outlet
    stream.chunks = watcher.run(
        start,
        _timeout(request, parts),
        after=revision if after is None else after,
        bookmarks=request.flag("allowWatchBookmarks"),
        initial_end=revision if asked and request.flag("allowWatchBookmarks") else 0,
    )
    return stream


def _field_selector(request: Request) -> str:
    """The field selector; the old form .../watch/pods/NAME names its object in the path."""
    selector: str = request.query.get("fieldSelector", "")
    if request.info.name and "metadata.name" not in selector:
        return f"metadata.name={request.info.name}" + (f",{selector}" if selector else "")
    return selector


def _timeout(request: Request, parts: Parts) -> float:
    seconds = number(request.query.get("timeoutSeconds", ""))
    if seconds > 0:
        return float(min(seconds, _LONGEST_SECONDS))
    return float(parts.options.min_request_timeout) * (1.0 + random.random())


async def iter_nothing() -> AsyncIterator[bytes]:
    """No events at all."""
    return
    yield b""


async def _error(renderer: Renderer, error: errors.ApiError) -> AsyncIterator[bytes]:
    yield renderer.event("ERROR", error.status)


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines put together into pieces of a size that may lie in memory for each of many who read slowly."""
    some, size = [], 0
    for line in lines:
        some.append(line)
        size += len(line)
        if size >= Feed.TAKEN_BYTES:
            yield b"".join(some)
            some, size = [], 0
    if some:
        yield b"".join(some)


class _Watcher:
    """One watch that is being served."""

    def __init__(
        self, parts: Parts, renderer: Renderer, selection: Selection, cache: ResourceCache, feed: Feed
    ) -> None:
        self._parts = parts
        self._renderer = renderer
        self._selection = selection
        self._cache = cache
        self._feed = feed
        self._write: Callable[[str, Entry, bytes | None], bytes] = renderer.event_writer()
        self._plain = renderer.form.ready
        self._told = told_of(renderer.info.group, renderer.version, renderer.info.kind)
        self._outlet: Outlet | None = None
        self.shared: Hashable = None  # the same for all that see the same of an event

    def take_outlet(self, outlet: Outlet) -> None:
        """Take what leads past the iterator to the client, for events that many watchers are told at once."""
        self._outlet = outlet

    async def run(
        self, start: list[Entry], seconds: float, *, after: int, bookmarks: bool, initial_end: int
    ) -> AsyncIterator[bytes]:
        """Lines, several at once where several are waiting."""
        feed, write, selection = self._feed, self._write, self._selection
        loop_end = time.monotonic() + seconds
        next_bookmark = min(time.monotonic() + _BOOKMARK_SECONDS, max(loop_end - 2.0, time.monotonic() + seconds / 2))
        stopping: asyncio.Event | None = self._parts.stopping
        try:
            matching = await self._converted([entry for entry in start if selection.matches(entry)])
            for piece in _pieces(self._noted(write(ADDED, entry, None) for entry in matching)):
                yield piece
            if initial_end:
                yield self._renderer.bookmark(initial_end, initial_end=True)
            elif not matching:
                yield b""  # the headers go out at once
            while True:
                if not feed.pending:
                    if feed.closed or time.monotonic() >= loop_end or (stopping is not None and stopping.is_set()):
                        return
                    await self._next(after, min(loop_end, next_bookmark))
                events = [event for event in feed.take() if event.revision > after]
                lines = (line for event in await self._in_version(events) if (line := self._line(event)))
                if piece := b"".join(self._noted(lines)):
                    yield piece
                if time.monotonic() < next_bookmark:
                    continue
                if bookmarks:
                    self._cache.tell()  # what it says has passed must have been told
                    if feed.pending or feed.closed:
                        continue
                    yield self._renderer.bookmark(self._parts.store.position(self._cache))
                next_bookmark = time.monotonic() + _BOOKMARK_SECONDS
        except ApiError as error:  # a webhook did not convert: the client lists anew, and hears why
            yield self._renderer.event("ERROR", error.status)
        finally:
            feed.close()

    def _noted(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Lines that are sent to this watcher alone."""
        for line in lines:
            self._told(len(line), 1)
            yield line

    async def _next(self, after: int, moment: float) -> None:
        """Return when there are events to read, when the feed is closed, or at a moment (of the monotonic clock)."""
        feed, outlet = self._feed, self._outlet
        if outlet is not None and not feed.joined and self._parts.store.position(self._cache) >= after:
            await outlet.drain()
            if feed.pending or feed.closed:
                return
            feed.join(self.shared, self._line, outlet, self._told)
        await feed.wait(moment - time.monotonic())

    async def _converted(self, entries: list[Entry]) -> list[Entry]:
        renderer = self._renderer
        return await self._parts.conversion.entries(renderer.info, entries, renderer.version)

    async def _in_version(self, events: list[CacheEvent]) -> list[CacheEvent]:
        renderer = self._renderer
        return await self._parts.conversion.events(renderer.info, events, renderer.version)

    def _line(self, event: CacheEvent) -> bytes | None:
        """The event as this watcher sees it: what leaves the selection is DELETED, what enters it ADDED."""
        selection = self._selection
        if selection.everything:
            return self._write(event.type, event.current, event.line() if self._plain else None)
        now = event.type != DELETED and selection.matches(event.current)
        before = event.previous is not None and selection.matches(event.previous)
        if now:
            kind = MODIFIED if before else ADDED
            line = event.line() if self._plain and kind == event.type else None
            return self._write(kind, event.current, line)
        if before:
            if event.type == DELETED:
                return self._write(DELETED, event.current, event.line() if self._plain else None)
            assert event.previous is not None
            return self._write(DELETED, event.previous.deleted_at(event.revision), None)
        return None
