"""Watchers that see the same are told together, and who reads slowly holds nobody up and misses nothing."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from kprov.kube.apiserver.storage.audience import frame
from kprov.kube.apiserver.storage.cache import ResourceCache
from kprov.kube.apiserver.storage.entry import CacheEvent
from kprov.kube.apiserver.storage.feed import Feed

PREFIX = b"/registry/pods/"


class _NoEtcd:
    async def range(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(kvs=[], more=False, header=SimpleNamespace(revision=10))


class _Outlet:
    """Takes so many frames before its client is too slow."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.frames: list[bytes] = []

    def send(self, frame: bytes) -> bool:
        self.frames.append(frame)
        self.room -= 1
        return self.room > 0

    async def drain(self) -> None:
        return None


class _Words:
    """Puts events into words, and counts how often."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, event: CacheEvent) -> bytes | None:
        self.asked += 1
        if event.current.key.endswith("/unseen"):
            return None
        return b"%d:%b\n" % (event.revision, event.current.key.encode())


def _put(cache: ResourceCache, revision: int, key: str) -> None:
    value = orjson.dumps({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": key.rpartition("/")[2]}})
    kv = SimpleNamespace(key=PREFIX + key.encode(), mod_revision=revision, value=value)
    cache.apply(SimpleNamespace(type=0, kv=kv))


@pytest.fixture
async def cache() -> ResourceCache:
    cache = ResourceCache(PREFIX, _NoEtcd())  # type: ignore[arg-type]
    await cache.ensure_loaded()
    return cache


async def test_what_many_see_is_put_into_words_once(cache: ResourceCache) -> None:
    words, outlets = _Words(), [_Outlet() for _ in range(3)]
    for outlet in outlets:
        cache.open_feed("", None).join("same", words, outlet)
    _put(cache, 11, "a/x")
    _put(cache, 12, "a/y")
    assert not outlets[0].frames  # what comes at the same time is sent together
    await asyncio.sleep(0)
    assert [outlet.frames for outlet in outlets] == [[frame(b"11:a/x\n12:a/y\n")]] * 3
    assert outlets[0].frames[0] is outlets[2].frames[0]
    assert words.asked == 2


async def test_each_sees_its_own_namespace_and_selection(cache: ResourceCache) -> None:
    everything, one = _Outlet(), _Outlet()
    cache.open_feed("", None).join("k", _Words(), everything)
    cache.open_feed("b/", None).join("k", _Words(), one)
    for revision, key in enumerate(("a/x", "b/x", "b/unseen", "a/unseen"), 11):
        _put(cache, revision, key)
    cache.tell()
    assert everything.frames == [frame(b"11:a/x\n12:b/x\n")]
    assert one.frames == [frame(b"12:b/x\n")]
    _put(cache, 15, "b/unseen")
    cache.tell()
    assert len(everything.frames) == len(one.frames) == 1


async def test_who_joins_is_not_told_what_it_read_before(cache: ResourceCache) -> None:
    early, late = _Outlet(), _Outlet()
    cache.open_feed("", None).join("k", _Words(), early)
    feed = cache.open_feed("", None)
    _put(cache, 11, "a/x")
    assert [event.revision for event in feed.take()] == [11]
    feed.join("k", _Words(), late)
    assert early.frames == [frame(b"11:a/x\n")]
    _put(cache, 12, "a/x")
    cache.tell()
    assert late.frames == [frame(b"12:a/x\n")]
    assert not feed.pending


async def test_a_slow_reader_goes_on_by_itself(cache: ResourceCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Feed, "TAKEN_BYTES", 8)  # a frame an event
    cache = ResourceCache(PREFIX, _NoEtcd())  # type: ignore[arg-type]
    await cache.ensure_loaded()
    slow, quick = _Outlet(room=2), _Outlet()
    feed = cache.open_feed("a/", None)
    feed.join("k", _Words(), slow)
    cache.open_feed("a/", None).join("k", _Words(), quick)
    for revision in range(11, 15):
        _put(cache, revision, f"a/x{revision}")
    _put(cache, 15, "b/x")
    cache.tell()
    _put(cache, 16, "a/y")
    cache.tell()
    assert len(quick.frames) == 5
    assert slow.frames == quick.frames[:2]
    assert not feed.joined
    heard = []
    while feed.pending:
        heard += [event.revision for event in feed.take()]
    assert heard == [13, 14, 16]
    feed.join("k", _Words(), slow)
    _put(cache, 17, "a/y")
    cache.tell()
    assert slow.frames[2:] == [frame(b"17:a/y\n")]


async def test_a_reader_that_falls_behind_is_woken(cache: ResourceCache) -> None:
    feed = cache.open_feed("", None)
    feed.join("k", _Words(), _Outlet(room=1))
    waiting = asyncio.create_task(feed.wait(60))
    await asyncio.sleep(0)
    _put(cache, 11, "a/x")
    await asyncio.wait_for(waiting, 60)
    assert not feed.joined and not feed.pending


async def test_a_closed_feed_is_told_nothing(cache: ResourceCache) -> None:
    outlet = _Outlet()
    feed = cache.open_feed("", None)
    feed.join("k", _Words(), outlet)
    feed.close()
    _put(cache, 11, "a/x")
    cache.tell()
    assert not outlet.frames and feed not in cache.feeds
    assert not cache._audiences


async def test_a_lost_history_is_told_to_its_end(cache: ResourceCache) -> None:
    outlet = _Outlet()
    feed = cache.open_feed("", None)
    feed.join("k", _Words(), outlet)
    _put(cache, 11, "a/x")
    cache.reset()
    assert outlet.frames == [frame(b"11:a/x\n")] and feed.closed


async def test_an_event_without_words_ends_only_those_who_need_them(
    cache: ResourceCache, caplog: pytest.LogCaptureFixture
) -> None:
    def mute(event: CacheEvent) -> bytes | None:
        raise ValueError(event.revision)

    broken, fine = cache.open_feed("", None), cache.open_feed("", None)
    broken.join("mute", mute, _Outlet())
    fine.join("k", _Words(), outlet := _Outlet())
    with caplog.at_level(logging.ERROR):
        _put(cache, 11, "a/x")
        cache.tell()
    assert broken.closed and not fine.closed
    assert outlet.frames and "cannot be put into words" in caplog.text


async def test_much_is_gathered_while_telling_takes_long(cache: ResourceCache) -> None:
    outlet = _Outlet()
    cache.open_feed("", None).join("k", _Words(), outlet)
    loop = asyncio.get_running_loop()
    cache._audiences._not_before = loop.time() + 0.02
    _put(cache, 11, "a/x")
    await asyncio.sleep(0)
    assert not outlet.frames
    _put(cache, 12, "a/y")
    async with asyncio.timeout(60):
        while not outlet.frames:  # noqa: ASYNC110 - the loop's own clock decides
            await asyncio.sleep(0.001)
    assert outlet.frames == [frame(b"11:a/x\n12:a/y\n")]


async def test_what_is_told_is_counted_as_often_as_it_is_sent(cache: ResourceCache) -> None:
    words, heard = _Words(), []
    for _ in range(3):
        cache.open_feed("", None).join("same", words, _Outlet(), lambda size, times: heard.append((size, times)))
    _put(cache, 11, "a/x")
    _put(cache, 12, "a/unseen")
    _put(cache, 13, "a/yy")
    cache.tell()
    assert heard == [(len(b"11:a/x\n"), 3), (len(b"13:a/yy\n"), 3)]
