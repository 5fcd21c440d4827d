"""Long lists: put into words bit by bit, read from etcd page by page."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from kprov.kube.apiserver.handlers import read
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.output import render
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.protobuf import decode
from kprov.kube.apiserver.request import parse_request_info
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.resources.selection import Selection
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.storage.keys import Keys

PODS = RESOURCES["", "pods"]


def _value(number: int) -> bytes:
    labels = {"app": "odd" if number % 2 else "even"}
    return orjson.dumps(
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": f"p{number:04}", "namespace": "n", "labels": labels}}
    )


def _entries(count: int) -> list[Entry]:
    return [Entry.stored(f"n/p{number:04}", number + 1, _value(number)) for number in range(count)]


def _renderer(accept: str) -> Renderer:
    info = parse_request_info("GET", "/api/v1/namespaces/n/pods", {})
    request = SimpleNamespace(info=info, headers={"Accept": accept}, query={})
    return Renderer(cast(Request, request), PODS)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 350])
@pytest.mark.parametrize(
    ("accept", "member"),
    [
        ("application/json", "items"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io", "rows"),
        ("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "items"),
        ("application/vnd.kubernetes.protobuf", "items"),
    ],
)
async def test_a_list_is_whole_in_every_form(accept: str, member: str, count: int) -> None:
    answer = await _renderer(accept).list(_entries(count), {"resourceVersion": "7"})
    raw = answer.whole()
    found = decode(raw) if "protobuf" in accept else orjson.loads(raw)
    assert found["metadata"]["resourceVersion"] == "7"
    objects = [each["object"] if member == "rows" else each for each in found.get(member) or []]
    assert [each["metadata"]["name"] for each in objects] == [f"p{number:04}" for number in range(count)]
    if "json" in accept:
        assert list(found)[-1] == member
        assert found["kind"] in ("PodList", "Table", "PartialObjectMetadataList")
        assert ("columnDefinitions" in found) == (member == "rows")


async def test_others_get_their_turn_while_a_long_list_is_made() -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await _renderer("application/json;as=Table;v=v1;g=meta.k8s.io").list(_entries(1000), {})
    counting.cancel()
    assert turns >= 1000 // render._AT_ONCE - 2


class _Etcd:
    """Holds so many pods, answers in pages, and keeps account of what was asked."""

    def __init__(self, count: int) -> None:
        self.kvs = [
            SimpleNamespace(key=b"/registry/pods/n/p%04d" % number, mod_revision=number + 1, value=_value(number))
            for number in range(count)
        ]
        self.read: list[int] = []

    async def range(self, key: bytes, end: bytes, *, limit: int, revision: int) -> Any:
        found = [kv for kv in self.kvs if key <= kv.key < end]
        self.read.append(len(found[:limit]))
        return SimpleNamespace(kvs=found[:limit], more=len(found) > limit, count=len(found))


@pytest.mark.parametrize(
    ("labels", "limit", "names", "remaining", "read_keys"),
    [
        ("", 3, 3, 2497, 4),  # no more than is wanted is read
        ("", 1500, 1500, 1000, 2000),
        ("", 2499, 2499, 1, 2500),
        ("", 2500, 2500, None, 2500),
        ("", 0, 2500, None, 2500),
        ("app=odd", 3, 3, None, 1000),
        ("app=odd", 600, 600, None, 2000),
        ("app=odd", 1250, 1250, None, 2500),
        ("app=none", 3, 0, None, 2500),
    ],
)
async def test_a_page_of_the_past_costs_what_it_holds(
    labels: str, limit: int, names: int, remaining: int | None, read_keys: int
) -> None:
    etcd = _Etcd(2500)
    parts = cast(Parts, SimpleNamespace(store=SimpleNamespace(etcd=etcd, keys=Keys("/registry"))))
    selection = Selection(PODS, "v1", labels, "")
    found, rest = await read._at_revision(parts, PODS, "n/", 9, "", "", selection, limit)
    entries, metadata = read._page(found, rest, selection.everything, 9, limit)
    assert len(entries) == names
    assert metadata.get("remainingItemCount") == remaining
    assert ("continue" in metadata) == (labels != "app=none" and (limit not in (0, 2500, 1250)))
    assert sum(etcd.read) == read_keys
