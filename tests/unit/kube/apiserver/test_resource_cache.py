"""The cache of one kind: order, history, and what watchers hear of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from kprov.kube.apiserver.storage import cache as module
from kprov.kube.apiserver.storage.cache import ResourceCache, TooOld

PREFIX = b"/registry/pods/"


def _value(name: str) -> bytes:
    return orjson.dumps({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}})


def _event(revision: int, key: str, *, delete: bool = False) -> Any:
    kv = SimpleNamespace(key=PREFIX + key.encode(), mod_revision=revision, value=_value(key.rpartition("/")[2]))
    return SimpleNamespace(type=1 if delete else 0, kv=kv)


class _Etcd:
    """Answers ranges with what it is given."""

    def __init__(self, revision: int, **names: int) -> None:
        self.revision = revision
        self.kvs = [
            SimpleNamespace(key=PREFIX + name.replace("__", "/").encode(), mod_revision=at, value=_value(name))
            for name, at in sorted(names.items())
        ]

    async def range(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(kvs=self.kvs, more=False, header=SimpleNamespace(revision=self.revision))


@pytest.fixture
async def cache() -> ResourceCache:
    cache = ResourceCache(PREFIX, _Etcd(10, a__x=3, a__y=4, b__x=5))  # type: ignore[arg-type]
    await cache.ensure_loaded()
    return cache


async def test_lists_are_in_the_order_of_keys(cache: ResourceCache) -> None:
    cache.apply(_event(11, "a/w"))
    cache.apply(_event(12, "aa/z"))
    assert [entry.key for entry in cache.select()] == ["a/w", "a/x", "a/y", "aa/z", "b/x"]
    assert [entry.key for entry in cache.select("a/")] == ["a/w", "a/x", "a/y"]
    assert [entry.key for entry in cache.select("a/", "a/x\0")] == ["a/y"]


async def test_events_that_the_first_list_had_are_not_applied_twice(cache: ResourceCache) -> None:
    cache.apply(_event(9, "a/x", delete=True))
    assert "a/x" in cache.entries


async def test_a_feed_hears_its_namespace_only(cache: ResourceCache) -> None:
    feed = cache.open_feed("a/", None)
    cache.apply(_event(11, "b/y"))
    cache.apply(_event(12, "a/x"))
    cache.apply(_event(13, "a/x", delete=True))
    assert [(event.type, event.current.key, event.revision) for event in feed.take()] == [
        ("MODIFIED", "a/x", 12),
        ("DELETED", "a/x", 13),
    ]


async def test_a_feed_starts_in_the_past(cache: ResourceCache) -> None:
    for revision in range(11, 15):
        cache.apply(_event(revision, f"a/{revision}"))
    assert [event.revision for event in cache.open_feed("", 12).take()] == [13, 14]


async def test_history_ends(cache: ResourceCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.apply(_event(11, "a/z"))
    with pytest.raises(TooOld):
        cache.open_feed("", 9)
    for revision in range(12, 12 + module.RING):
        cache.apply(_event(revision, "a/z"))
    feed, heard = cache.open_feed("", 11), 0
    while feed.pending:
        heard += len(feed.take())
    assert heard == module.RING
    with pytest.raises(TooOld):
        cache.open_feed("", 10)


async def test_a_lost_history_ends_feeds_and_tells_subscribers_the_difference(cache: ResourceCache) -> None:
    heard: list[tuple[str, str]] = []
    cache.subscribers.append(lambda old, new: heard.append((old.key if old else "", new.key if new else "")))
    feed = cache.open_feed("", None)
    cache.reset()
    assert feed.closed
    cache._etcd = _Etcd(30, a__x=3, a__y=20, c__z=21)  # type: ignore[assignment]
    await cache.ensure_loaded()
    assert sorted(heard) == [("", "c/z"), ("a/y", "a/y"), ("b/x", "")]
    with pytest.raises(TooOld):
        cache.open_feed("", 12)


async def test_a_slow_watcher_is_dropped(cache: ResourceCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Feed, "LIMIT", 3)
    feed = cache.open_feed("", None)
    for revision in range(11, 16):
        cache.apply(_event(revision, "a/z"))
    assert feed.closed and feed not in cache.feeds


async def test_what_a_slow_watcher_is_kept_is_counted_in_bytes(
    cache: ResourceCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.Feed, "LIMIT_BYTES", 1000)
    monkeypatch.setattr(module.Feed, "TAKEN_BYTES", 300)
    slow, quick = cache.open_feed("", None), cache.open_feed("", None)
    heard: list[int] = []
    for revision in range(11, 61):
        cache.apply(_event(revision, "a/z"))
        while quick.pending:
            taken = quick.take()
            assert sum(len(event.current.raw) for event in taken[:-1]) < 300
            heard += [event.revision for event in taken]
    assert heard == list(range(11, 61)) and not quick.closed
    assert slow.closed
    kept = []
    while slow.pending:
        kept += slow.take()
    assert [event.revision for event in kept] == list(range(11, 11 + len(kept)))
    assert 1000 <= sum(len(event.current.raw) for event in kept) < 1500
