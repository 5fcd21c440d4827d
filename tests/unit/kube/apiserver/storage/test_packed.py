"""What is kept of objects in protobuf says, byte for byte, what would be made of them anew; and it goes with them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.output import render
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.protobuf import decode
from kprov.kube.apiserver.protobuf.encode import encode, encode_event
from kprov.kube.apiserver.protobuf.table import message_of, rows_of
from kprov.kube.apiserver.request import parse_request_info
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.storage.cache import ResourceCache
from kprov.kube.apiserver.storage.entry import ADDED, DELETED, MODIFIED, Entry
from kprov.kube.apiserver.storage.packed import PackedRoom
from kprov.kube.apiserver.versions import from_storage, is_storage_version

PROTOBUF = "application/vnd.kubernetes.protobuf"
Object = dict[str, Any]


def _stored(info: Any, name: str, content: Object) -> bytes:
    metadata = {"name": name, "namespace": "n", "uid": f"u-{name}", "creationTimestamp": "2026-01-02T03:04:05Z"}
    return orjson.dumps({"kind": info.kind, "apiVersion": info.storage_api_version, "metadata": metadata, **content})


OBJECTS: dict[tuple[str, str], Object] = {
    ("", "pods"): {
        "spec": {
            "containers": [
                {"name": "c", "args": ["", "x" * 2000], "resources": {"limits": {"cpu": "500m"}}},
                {"name": "d", "readinessProbe": {"httpGet": {"path": "/", "port": "web"}}},
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "terminationGracePeriodSeconds": 0,
        },
        "status": {"phase": "Running", "startTime": "2026-01-02T03:04:06Z"},
    },
    ("", "secrets"): {"data": {"k": "AP8=", "none": ""}, "type": "Opaque"},
    ("", "configmaps"): {"data": {"k": "ä\u20ac", "empty": ""}},
    ("", "events"): {"involvedObject": {"kind": "Pod", "name": "p"}, "message": "m", "count": 2, "type": "Normal"},
    ("coordination.k8s.io", "leases"): {"spec": {"holderIdentity": "h", "renewTime": "2026-01-02T03:04:05.678901Z"}},
    ("apps", "deployments"): {"spec": {"replicas": 0, "selector": {}, "template": {"metadata": {}, "spec": {}}}},
    ("apps", "controllerrevisions"): {"revision": 3, "data": {"spec": {"a": [1, None, "<&>"]}}},
}


class _Etcd:
    def __init__(self, info: Any, values: dict[str, bytes], revision: int) -> None:
        self.kvs = [
            SimpleNamespace(key=_key(info, name), mod_revision=revision, value=value) for name, value in values.items()
        ]
        self.revision = revision

    async def range(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(kvs=self.kvs, more=False, header=SimpleNamespace(revision=self.revision))


def _key(info: Any, name: str) -> bytes:
    return f"/registry/{info.storage_prefix}/n/{name}".encode()


async def _cache(info: Any, content: Object, names: tuple[str, ...], room: PackedRoom) -> ResourceCache:
    etcd = _Etcd(info, {name: _stored(info, name, content) for name in names}, 10)
    cache = ResourceCache(f"/registry/{info.storage_prefix}/".encode(), cast(Any, etcd), room)
    await cache.ensure_loaded()
    return cache


def _change(cache: ResourceCache, info: Any, revision: int, name: str, content: Object | None) -> None:
    value = _stored(info, name, content) if content is not None else b""
    kv = SimpleNamespace(key=_key(info, name), mod_revision=revision, value=value)
    cache.apply(SimpleNamespace(type=0 if content is not None else 1, kv=kv))


def _renderer(info: Any, version: str = "", accept: str = PROTOBUF) -> Renderer:
    version = version or info.storage_api_version.rpartition("/")[2]
    root = f"/apis/{info.group}/{version}" if info.group else f"/api/{version}"
    about = parse_request_info("GET", f"{root}/namespaces/n/{info.plural}", {})
    return Renderer(cast(Request, SimpleNamespace(info=about, headers={"Accept": accept}, query={})), info)


def _anew(info: Any, entries: list[Entry], metadata: Object) -> bytes:
    """A list as it is encoded as a whole, of nothing that was kept."""
    head = {"kind": info.list_kind, "apiVersion": info.storage_api_version, "metadata": metadata}
    return encode({**head, "items": [orjson.loads(entry.raw) for entry in entries]})


@pytest.mark.parametrize("key", OBJECTS, ids="/".join)
async def test_what_is_kept_is_what_would_be_made(key: tuple[str, str]) -> None:
    info, room = RESOURCES[key], PackedRoom()
    cache = await _cache(info, OBJECTS[key], ("a", "b", "c"), room)
    entries, renderer, metadata = list(cache.select()), _renderer(info), {"resourceVersion": "10"}
    write = renderer.event_writer()
    assert room.held == 0
    for _ in range(2):  # made, then kept
        assert (await renderer.list(entries, metadata)).whole() == _anew(info, entries, metadata)
        for entry in entries:
            obj = orjson.loads(entry.raw)
            assert renderer.entry(entry).whole() == encode(obj)
            assert write(MODIFIED, entry, None) == encode_event(MODIFIED, obj)
        assert room.held == sum(len(entry.packed or b"") for entry in entries) > 0
    assert decode(renderer.entry(entries[0]).whole())["metadata"]["resourceVersion"] == "10"


@pytest.mark.parametrize("first", ["list", "get", "watch"])
async def test_who_asks_first_does_not_matter(first: str) -> None:
    info = RESOURCES["", "secrets"]
    (entry,) = (await _cache(info, OBJECTS["", "secrets"], ("a",), PackedRoom())).select()
    renderer = _renderer(info)
    if first == "list":
        await renderer.list([entry], {})
    elif first == "get":
        renderer.entry(entry)
    else:
        renderer.event_writer()(ADDED, entry, None)
    assert entry.packed is not None
    assert renderer.entry(entry).whole() == encode(orjson.loads(entry.raw))
    assert (await renderer.list([entry], {})).whole() == _anew(info, [entry], {})


async def test_a_change_is_seen_and_what_was_kept_goes() -> None:
    info, room = RESOURCES["", "configmaps"], PackedRoom()
    cache = await _cache(info, {"data": {"k": "1"}}, ("a", "b"), room)
    renderer = _renderer(info)
    write = renderer.event_writer()
    await renderer.list(list(cache.select()), {})
    before = cache.entries["n/a"]
    feed = cache.open_feed("", None)
    _change(cache, info, 11, "a", {"data": {"k": "2", "more": "x" * 300}})
    assert before.packed is None
    assert room.held == len(cache.entries["n/b"].packed or b"")
    found = decode((await renderer.list(list(cache.select()), {})).whole())["items"]
    assert [each["data"] for each in found] == [{"k": "2", "more": "x" * 300}, {"k": "1"}]
    assert [each["metadata"]["resourceVersion"] for each in found] == ["11", "10"]
    _change(cache, info, 12, "a", None)
    assert room.held == len(cache.entries["n/b"].packed or b"")
    changed, deleted = feed.take()
    for event, revision in ((changed, "11"), (deleted, "12")):
        line = write(event.type, event.current, None)
        obj = orjson.loads(event.current.raw)
        assert line == encode_event(event.type, obj) and obj["metadata"]["resourceVersion"] == revision
    assert deleted.type == DELETED
    assert room.held == len(cache.entries["n/b"].packed or b""), "of what has gone nothing is kept"
    _change(cache, info, 13, "a", {"data": {}})
    assert "data" not in decode(renderer.entry(cache.entries["n/a"]).whole())


async def test_a_reload_begins_anew() -> None:
    info, room = RESOURCES["", "configmaps"], PackedRoom()
    cache = await _cache(info, {"data": {"k": "1"}}, ("a", "b"), room)
    renderer = _renderer(info)
    await renderer.list(list(cache.select()), {})
    old = list(cache.select())
    cache.reset()
    cache._etcd = cast(Any, _Etcd(info, {"a": _stored(info, "a", {"data": {"k": "2"}})}, 30))
    await cache.ensure_loaded()
    assert room.held == 0 and all(entry.packed is None for entry in old)
    renderer.entry(old[0])
    assert room.held == 0, "what is in no cache keeps nothing"
    assert decode(renderer.entry(cache.entries["n/a"]).whole())["data"] == {"k": "2"}


async def test_no_more_is_kept_than_there_is_room_for() -> None:
    info, names = RESOURCES["", "configmaps"], tuple("abcdef")
    one = len(encode(orjson.loads(_stored(info, "a", {"data": {"k": "1"}}))))
    room = PackedRoom(3 * one)
    cache = await _cache(info, {"data": {"k": "1"}}, names, room)
    renderer, entries = _renderer(info), list(cache.select())
    for _ in range(2):
        assert (await renderer.list(entries, {})).whole() == _anew(info, entries, {})
        assert 0 < room.held <= 3 * one
    assert any(entry.packed for entry in entries) and not all(entry.packed for entry in entries)
    for number, name in enumerate(names):
        _change(cache, info, 20 + number, name, None)
    assert room.held == 0


async def test_an_entry_that_is_read_from_etcd_keeps_nothing() -> None:
    info = RESOURCES["", "configmaps"]
    entry = Entry.stored("n/a", 7, _stored(info, "a", {}))
    renderer = _renderer(info)
    assert renderer.entry(entry).whole() == encode(orjson.loads(entry.raw))
    assert entry.packed is None


async def test_what_changes_while_a_list_is_made_is_in_it_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "_AT_ONCE", 1)
    info, room = RESOURCES["", "configmaps"], PackedRoom()
    cache = await _cache(info, {"data": {"k": "1"}}, tuple("abc"), room)
    entries = list(cache.select())
    listing = asyncio.create_task(_renderer(info).list(entries, {}))
    await asyncio.sleep(0)
    for number, name in enumerate("abc"):
        _change(cache, info, 11 + number, name, {"data": {"k": "2"}})
    assert (await listing).whole() == _anew(info, entries, {})
    assert room.held == 0, "entries that were replaced meanwhile keep nothing"


@pytest.mark.parametrize(
    ("key", "versions"),
    [
        (("events.k8s.io", "events"), ("v1", "v1")),
        (("autoscaling", "horizontalpodautoscalers"), ("v1", "v2", "v1")),
        (("autoscaling", "horizontalpodautoscalers"), ("v2", "v1", "v2")),
    ],
)
async def test_other_versions_are_converted(key: tuple[str, str], versions: tuple[str, ...]) -> None:
    info = RESOURCES[key]
    content = OBJECTS["", "events"]
    if info.plural != "events":
        content = {"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}}
    (entry,) = (await _cache(info, content, ("a",), PackedRoom())).select()
    for version in versions:
        obj = orjson.loads(entry.raw)
        if not is_storage_version(info, version):
            obj = from_storage(info, version, obj)
        renderer = _renderer(info, version)
        assert renderer.entry(entry).whole() == encode(obj)
        head = {"kind": info.list_kind, "apiVersion": info.api_version(version), "metadata": {}}
        assert (await renderer.list([entry], {})).whole() == encode({**head, "items": [obj]})
        assert renderer.event_writer()(ADDED, entry, None) == encode_event(ADDED, obj)


async def test_metadata_alone_is_not_taken_for_the_whole() -> None:
    info = RESOURCES["", "pods"]
    (entry,) = (await _cache(info, OBJECTS["", "pods"], ("a",), PackedRoom())).select()
    _renderer(info).entry(entry)
    partial = _renderer(info, accept=f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
    found = decode(partial.entry(entry).whole())
    assert found["kind"] == "PartialObjectMetadata" and "spec" not in found
    several = decode((await partial.list([entry], {})).whole())
    assert several["kind"] == "PartialObjectMetadataList" and "spec" not in several["items"][0]
    table = _renderer(info, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert orjson.loads((await table.list([entry], {})).whole())["kind"] == "Table"
    assert orjson.loads(_renderer(info, accept="application/json").entry(entry).whole())["spec"]["containers"]


def test_items_of_every_list_have_the_number_of_an_envelopes_content() -> None:
    lists = 0
    for info in RESOURCES.values():
        group, _, version = info.storage_api_version.rpartition("/")
        rows = rows_of(message_of(group, version, info.list_kind) or "")
        if rows is not None:
            lists += 1
            assert rows["2"][0] == "items"
    assert lists > 40


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "delete", "list", "get", "reload"]))))
def test_whatever_happens_nothing_old_is_answered(steps: list[tuple[str, str]]) -> None:
    info, room = RESOURCES["", "configmaps"], PackedRoom(400)

    async def run() -> None:
        cache = await _cache(info, {"data": {"k": "0"}}, tuple("abc"), room)
        renderer = _renderer(info)
        for number, (name, step) in enumerate(steps, 11):
            if step in ("put", "delete"):
                _change(cache, info, number, name, {"data": {"k": str(number)}} if step == "put" else None)
            elif step == "list":
                entries = list(cache.select())
                assert (await renderer.list(entries, {})).whole() == _anew(info, entries, {})
            elif step == "get" and (entry := cache.entries.get(f"n/{name}")):
                assert renderer.entry(entry).whole() == encode(orjson.loads(entry.raw))
            elif step == "reload":
                cache.reset()
                cache._etcd = cast(Any, _Etcd(info, {"a": _stored(info, "a", {"data": {"k": str(number)}})}, number))
                await cache.ensure_loaded()
            kept = sum(len(entry.packed) for entry in cache.entries.values() if entry.packed)
            assert room.held == kept <= 400

    asyncio.run(run())
