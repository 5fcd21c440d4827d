"""GET of one object and of lists."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.apiserver.handlers.list_options import check_list
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.query import number
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.resources.selection import Selection
from kprov.kube.apiserver.storage.cache import ResourceCache
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.storage.etcd import Compacted
from kprov.kube.apiserver.storage.etcd_metrics import timed
from kprov.kube.apiserver.storage.hub import NotFreshInTime
from kprov.kube.apiserver.storage.keys import range_end

_PAGE = 1_000  # keys in one answer of etcd's
_AT_ONCE = 250  # entries that are looked at before others get their turn
_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def key_prefix(info: ResourceInfo, namespace: str) -> str:
    """What the cache's keys of a namespace (or of all) begin with."""
    return f"{namespace}/" if info.namespaced and namespace else ""


def parse_revision(text: str) -> int:
    """A resourceVersion. Raises ApiError (400) where it is none."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) >= 1 << 63:
        raise errors.bad_request(f'invalid resource version "{text}"')
    return int(text)


async def cache_at_least(parts: Parts, info: ResourceInfo, text: str) -> ResourceCache:
    """The cache, as fresh as a resourceVersion parameter asks: unset means "the latest", 0 "whatever there is"."""
    wanted = parse_revision(text)
    try:
        if not text:
            return await parts.store.fresh(info)
        cache = await parts.store.loaded(info)
        if wanted > parts.store.position(cache):
            await parts.store.hub.wait_for(wanted)
    except NotFreshInTime as error:
        if not text:  # not the client's fault: etcd is ahead of what it lets us see
            raise errors.timeout("the watch cache is behind etcd", 1) from None
        raise errors.ApiError(
            {
                "status": "Failure",
                "code": 504,
                "reason": "Timeout",
                "message": f"Timeout: {error}",
                "details": {
                    "retryAfterSeconds": 1,
                    "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                },
            }
        ) from None
    return cache


async def get(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """One object."""
    renderer = Renderer(request, info)
    name, namespace = request.info.name, request.info.namespace
    version = request.query.get("resourceVersion", "")
    if version:
        cache = await cache_at_least(parts, info, version)
        entry = cache.entries.get(f"{namespace}/{name}" if info.namespaced else name)
        if entry is None:
            raise errors.not_found(info, name)
    else:
        entry = await parts.store.fresh_entry(info, namespace, name)
    return renderer.entry(await parts.conversion.entry(info, entry, request.info.api_version))


def _token(revision: int, start: str) -> str:
    return base64.urlsafe_b64encode(
        orjson.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": start})
    ).decode().rstrip("=")  # fmt: skip


def _read_token(token: str) -> tuple[int, str]:
    try:
        parsed = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(parsed["rv"]), str(parsed["start"])
    except (ValueError, KeyError, TypeError):
        raise errors.bad_request("continue key is not valid") from None


async def list_objects(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """A list, whole or in pages."""
    renderer = Renderer(request, info)
    query = request.query
    selection = Selection(
        info, request.info.api_version, query.get("labelSelector", ""), query.get("fieldSelector", "")
    )
    limit, token = max(number(query.get("limit", "")), 0), query.get("continue", "")
    version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    check_list(request)
    prefix, rest = key_prefix(info, request.info.namespace), 0
    if token:
        if version not in ("", "0"):
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        revision, start = _read_token(token)  # perhaps of another server, which is ahead of this one
        cache = await cache_at_least(parts, info, str(max(revision, 0)))
        if cache.last_event > revision and revision > 0:
            entries, rest = await _at_revision(parts, info, prefix, revision, start, token, selection, limit)
        else:
            revision = revision if revision > 0 else parts.store.position(cache)
            entries = list(cache.select(prefix, start))
    elif match == "Exact" and version != "0":
        revision = parse_revision(version)
        await cache_at_least(parts, info, version)
        entries, rest = await _at_revision(parts, info, prefix, revision, "", "", selection, limit)
    else:
        cache = await cache_at_least(parts, info, version)
        revision = parts.store.position(cache)
        if selection.name is not None and (selection.namespace or request.info.namespace or not info.namespaced):
            namespace = request.info.namespace or selection.namespace or ""
            found = cache.entries.get(f"{namespace}/{selection.name}" if info.namespaced else selection.name)
            entries = [found] if found else []
        else:
            entries = list(cache.select(prefix))
    entries = await _selected(entries, selection)
    entries, metadata = _page(entries, rest, selection.everything, revision, limit)
    return await renderer.list(await parts.conversion.entries(info, entries, request.info.api_version), metadata)


async def _selected(entries: list[Entry], selection: Selection) -> list[Entry]:
    """The entries that are selected. What is looked at for the first time is parsed, so others get turns meanwhile."""
    if selection.everything:
        return entries
    found: list[Entry] = []
    for start in range(0, len(entries), _AT_ONCE):
        if start:
            await asyncio.sleep(0)
        found += [entry for entry in entries[start : start + _AT_ONCE] if selection.matches(entry)]
    return found


def _page(
    entries: list[Entry], rest: int, everything: bool, revision: int, limit: int
) -> tuple[list[Entry], dict[str, Any]]:
    """As many entries as one answer may hold, and its metadata; ``rest`` is how many there are beyond ``entries``."""
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if limit and len(entries) > limit:
        metadata["continue"] = _token(revision, entries[limit - 1].key + "\0")
        if everything:
            metadata["remainingItemCount"] = len(entries) - limit + rest
        entries = entries[:limit]
    return entries, metadata


async def _at_revision(
    parts: Parts,
    info: ResourceInfo,
    prefix: str,
    revision: int,
    start: str,
    token: str,
    selection: Selection,
    limit: int,
) -> tuple[list[Entry], int]:
    """Entries as they were, read from etcd: those that are selected, or one more than the limit of them.

    Returns them, and how many keys there are beyond those that were read.
    """
    root = parts.store.keys.prefix(info)
    first = root + max(prefix, start).encode()
    end = range_end(root + prefix.encode()) if prefix else range_end(root)
    page = min(limit + 1, _PAGE) if limit and selection.everything else _PAGE
    found: list[Entry] = []
    try:
        while True:
            with timed("list", first):
                response = await parts.store.etcd.range(first, end, limit=page, revision=revision)
            read = [Entry.stored(kv.key[len(root) :].decode(), kv.mod_revision, kv.value) for kv in response.kvs]
            found += await _selected(read, selection)
            if not response.more or (limit and len(found) > limit):
                return found, response.count - len(response.kvs)
            first = response.kvs[-1].key + b"\0"
    except Compacted:
        if not token:
            raise errors.expired(f"The resourceVersion for the provided list is too old: {revision}") from None
        error = errors.expired(_EXPIRED)
        error.status["metadata"] = {"continue": _token(-1, start)}
        raise error from None
