"""Informers: a local copy of a collection that follows the server, and tells handlers what changed.

List once, then watch from there; after a lost connection go on from the last version seen; where the server has lost
that history (410), list again and tell handlers the difference, deletions included. Handlers see every object's latest
state, not every state in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
from collections.abc import Callable, Iterable
from typing import Any

import aiohttp

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError, is_expired
from kprov.kube.api.kinds import Object, Resource, key_of

__all__ = ["Informer", "key_of"]

log = logging.getLogger(__name__)

_BACKOFF_FIRST, _BACKOFF_MOST = 0.4, 15.0
_HEALTHY_AFTER = 10.0  # a watch that lived this long ends the backoff
_PAGE = 250  # objects asked for at once; a server that lists from its cache may send all
_BATCH = 256  # objects handled between two turns of the event loop

Objects = list[Object]  # the methods below are called list, too
IndexFunction = Callable[[Object], Iterable[str]]


def drop_managed_fields(obj: Object) -> Object:
    """Forget who wrote which field: no daemon asks, and it is a third of an object's memory."""
    obj["metadata"].pop("managedFields", None)
    return obj


class _Handler:
    __slots__ = ("on_add", "on_delete", "on_update")

    def __init__(
        self,
        on_add: Callable[[Object], None] | None,
        on_update: Callable[[Object, Object], None] | None,
        on_delete: Callable[[Object], None] | None,
    ) -> None:
        self.on_add, self.on_update, self.on_delete = on_add, on_update, on_delete


class Informer:
    """A local copy of one collection.

    Args:
        client: the API server.
        resource: the kind.
        namespace: only that namespace's objects.
        field_selector: only objects that match.
        label_selector: only objects that match.
        transform: changes an object before it is kept (to drop what nobody reads); managedFields are always dropped.
    """

    def __init__(
        self,
        client: ApiClient,
        resource: Resource,
        *,
        namespace: str | None = None,
        field_selector: str | None = None,
        label_selector: str | None = None,
        transform: Callable[[Object], Object] | None = None,
    ) -> None:
        self.resource = resource
        self.resource_version = ""
        self._client = client
        self._where: dict[str, Any] = {
            "namespace": namespace,
            "field_selector": field_selector,
            "label_selector": label_selector,
        }
        self._transform = transform
        self._store: dict[str, Object] = {}
        self._handlers: list[_Handler] = []
        self._index_functions: dict[str, IndexFunction] = {}
        self._indexes: dict[str, dict[str, dict[str, None]]] = {}
        self._synced = asyncio.Event()

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def synced(self) -> bool:
        """Whether the first list has arrived."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Wait for the first list."""
        await self._synced.wait()

    def get(self, key: str) -> Object | None:
        """The object of a key (``namespace/name`` or ``name``). It is shared: copy it before changing it."""
        return self._store.get(key)

    def list(self, namespace: str | None = None) -> list[Object]:
        """All objects, or those of one namespace."""
        if namespace is None:
            return list(self._store.values())
        return [obj for obj in self._store.values() if obj["metadata"].get("namespace") == namespace]

    def keys(self) -> Iterable[str]:
        """The keys of all objects."""
        return tuple(self._store)

    def __len__(self) -> int:
        return len(self._store)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Keep objects findable by the values that `function` gives for them; adding it twice does nothing."""
        if name in self._index_functions:
            return
        self._index_functions[name] = function
        self._indexes[name] = {}
        for key, obj in self._store.items():
            for value in function(obj):
                self._indexes[name].setdefault(value, {})[key] = None

    def by_index(self, name: str, value: str) -> Objects:
        """The objects that have that value in that index."""
        return [self._store[key] for key in self._indexes[name].get(value, ())]

    def add_handler(
        self,
        on_add: Callable[[Object], None] | None = None,
        on_update: Callable[[Object, Object], None] | None = None,
        on_delete: Callable[[Object], None] | None = None,
    ) -> None:
        """Call these on the event loop when an object appears, changes (old, new) or is gone (its last state).

        Objects that are known already are told as additions at once.
        """
        handler = _Handler(on_add, on_update, on_delete)
        self._handlers.append(handler)
        if on_add:
            for obj in list(self._store.values()):
                self._tell(on_add, obj)

    # -- following ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """List and watch for ever; returns only by cancellation."""
        loop = asyncio.get_running_loop()
        backoff = _BACKOFF_FIRST
        version: str | None = "0"  # what the server has cached is enough to begin with; None means list afresh
        listed = False
        while True:
            began = loop.time()
            try:
                if not listed:
                    await self._relist(version)
                    listed = True
                    self._synced.set()
                await self._watch()
            except ApiError as error:
                if is_expired(error):
                    log.info("%s: history is gone, listing again: %s", self.resource.plural, error)
                    version, listed = ("" if not listed else self.resource_version), False
                    if version == "":
                        version = None
                else:
                    log.warning("%s: %s %s", self.resource.plural, error.code, error)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.info("%s: connection lost: %s", self.resource.plural, error or type(error).__name__)
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("%s: informer failed, listing again", self.resource.plural)
                version, listed = self.resource_version or "0", False
            else:
                if loop.time() - began > 1.0:
                    backoff = _BACKOFF_FIRST
                    continue
            if loop.time() - began > _HEALTHY_AFTER:
                backoff = _BACKOFF_FIRST
            await asyncio.sleep(backoff * random.uniform(0.5, 1.5))
            backoff = min(backoff * 2, _BACKOFF_MOST)

    async def _relist(self, version: str | None) -> None:
        present: set[str] = set()
        token: str | None = None
        while True:  # by pages: a whole collection, parsed at once, would stay in the process's memory for ever
            answer = await self._client.list(
                self.resource, resource_version=version, limit=_PAGE, continue_token=token, **self._where
            )
            metadata, items = answer["metadata"], answer.get("items") or []
            del answer
            for position, obj in enumerate(items):
                obj.setdefault("apiVersion", self.resource.api_version)
                obj.setdefault("kind", self.resource.kind)
                present.add(self._put(obj))
                items[position] = None
                if position % _BATCH == _BATCH - 1:
                    await asyncio.sleep(0)
            token, version = metadata.get("continue"), None
            if not token:
                break
        for key in [key for key in self._store if key not in present]:
            self._remove(key)
        self.resource_version = metadata.get("resourceVersion", "")

    async def _watch(self) -> None:
        events = self._client.watch(self.resource, resource_version=self.resource_version, **self._where)
        async with contextlib.aclosing(events) as stream:  # type: ignore[type-var]
            handled = 0
            async for event in stream:
                obj = event["object"]
                version = obj["metadata"].get("resourceVersion", self.resource_version)
                match event["type"]:
                    case "ADDED" | "MODIFIED":
                        self._put(obj)
                    case "DELETED":
                        self._remove(key_of(obj), obj)
                self.resource_version = version
                handled += 1
                if handled % _BATCH == 0:
                    await asyncio.sleep(0)

    def _put(self, obj: Object) -> str:
        obj = drop_managed_fields(obj)
        if self._transform:
            obj = self._transform(obj)
        key = sys.intern(key_of(obj))
        old = self._store.get(key)
        if old is not None and old["metadata"].get("resourceVersion") == obj["metadata"].get("resourceVersion"):
            return key
        if old is not None and old["metadata"].get("uid") != obj["metadata"].get("uid"):
            self._remove(key)  # deleted and made anew while nobody was watching
            old = None
        self._store[key] = obj
        self._reindex(key, old, obj)
        for handler in self._handlers:
            if old is None:
                if handler.on_add:
                    self._tell(handler.on_add, obj)
            elif handler.on_update:
                self._tell(handler.on_update, old, obj)
        return key

    def _remove(self, key: str, last: Object | None = None) -> None:
        old = self._store.pop(key, None)
        if old is None:
            return
        self._reindex(key, old, None)
        final = old
        if last is not None:
            final = drop_managed_fields(last)
            if self._transform:
                final = self._transform(final)
        for handler in self._handlers:
            if handler.on_delete:
                self._tell(handler.on_delete, final)

    def _reindex(self, key: str, old: Object | None, new: Object | None) -> None:
        for name, function in self._index_functions.items():
            index = self._indexes[name]
            before = set(function(old)) if old is not None else set()
            after = set(function(new)) if new is not None else set()
            for value in before - after:
                keys = index.get(value)
                if keys is not None:
                    keys.pop(key, None)
                    if not keys:
                        del index[value]
            for value in after - before:
                index.setdefault(value, {})[key] = None

    def _tell(self, handler: Callable[..., None], *arguments: Object) -> None:
        try:
            handler(*arguments)
        except Exception:  # one handler's fault must not stop the others, nor the copy
            log.exception("%s: a handler failed", self.resource.plural)
