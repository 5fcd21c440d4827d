"""The store: objects in and out, by kind, namespace and name."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.resources import RESOURCES, ResourceInfo
from kprov.kube.apiserver.storage.cache import ResourceCache
from kprov.kube.apiserver.storage.encoding import encode, with_revision
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.storage.etcd import EtcdClient
from kprov.kube.apiserver.storage.hub import Hub, NotFreshInTime
from kprov.kube.apiserver.storage.keys import Keys
from kprov.kube.apiserver.storage.leases import SharedLeases
from kprov.kube.apiserver.storage.writer import Stored, Writer

Object = dict[str, Any]
GroupResource = tuple[str, str]
Change = Callable[[Object], Object | None] | Callable[[Object], Awaitable[Object | None]]


async def _resolve(result: Object | Awaitable[Object | None] | None) -> Object | None:
    if inspect.isawaitable(result):
        return await result
    return result


class Store:
    """Everything that is kept. Reads come from the caches, made fresh where the caller needs it; writes go to etcd."""

    def __init__(self, etcd: EtcdClient, prefix: str = "/registry") -> None:
        self.etcd = etcd
        self.keys = Keys(prefix)
        self.hub = Hub(etcd, self.keys.root)
        self.writer = Writer(etcd)
        self.leases = SharedLeases(etcd)

    async def start(self) -> None:
        """Follow etcd. Raises EtcdError where it does not answer."""
        await self.hub.start()

    async def stop(self) -> None:
        """End every watch and close the connections."""
        await self.hub.stop()
        await self.etcd.close()

    # -- entries: what the handlers use ------------------------------------------------------------------------------

    def cache(self, info: ResourceInfo) -> ResourceCache:
        """The cache of a kind, loaded or not."""
        return self.hub.cache(self.keys.prefix(info))

    async def loaded(self, info: ResourceInfo) -> ResourceCache:
        """The cache of a kind, loaded."""
        cache = self.cache(info)
        if not cache.loaded:
            await cache.ensure_loaded()
        return cache

    async def fresh(self, info: ResourceInfo) -> ResourceCache:
        """The cache of a kind, holding every write that was answered before this call.

        Raises:
            EtcdError: etcd did not answer.
            NotFreshInTime: the stream of changes is behind.
        """
        cache = await self.loaded(info)
        await self.hub.wait_for(await self.etcd.current_revision())
        return cache if cache.loaded else await self.loaded(info)

    def cached(self, info: ResourceInfo, namespace: str, name: str) -> Entry | None:
        """An object as the cache has it, if it has it."""
        return self.cache(info).entries.get(f"{namespace}/{name}" if info.namespaced else name)

    def position(self, cache: ResourceCache) -> int:
        """The revision that a cache's content is of."""
        return max(self.hub.position, cache.last_event)

    async def get_entry(self, info: ResourceInfo, namespace: str, name: str) -> Entry:
        """One object as etcd has it now. Raises ApiError (not found)."""
        entry, _ = await self._read(info, namespace, name)
        if entry is None:
            raise errors.not_found(info, name)
        return entry

    async def fresh_entry(self, info: ResourceInfo, namespace: str, name: str) -> Entry:
        """As ``get_entry``, at a fraction of its cost where the kind is in the cache: many who ask at the same time
        share one question to etcd, how far it is."""
        if self.cache(info).loaded:
            try:
                cache = await self.fresh(info)
            except NotFreshInTime:
                return await self.get_entry(info, namespace, name)
            entry = cache.entries.get(f"{namespace}/{name}" if info.namespaced else name)
            if entry is None:
                raise errors.not_found(info, name)
            return entry
        return await self.get_entry(info, namespace, name)

    async def _read(self, info: ResourceInfo, namespace: str, name: str) -> tuple[Entry | None, int]:
        stored, revision = await self.writer.read(self.keys.key(info, namespace, name))
        return (self._entry(info, namespace, name, stored) if stored else None), revision

    def _entry(self, info: ResourceInfo, namespace: str, name: str, stored: Stored) -> Entry:
        return Entry.stored(f"{namespace}/{name}" if info.namespaced else name, stored.revision, stored.value)

    async def create_entry(self, info: ResourceInfo, obj: Object, *, ttl_seconds: int = 0) -> Entry:
        """Store a new object. Raises ApiError (already exists)."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        value = encode(obj)
        lease = await self.leases.lease(ttl_seconds) if ttl_seconds else 0
        outcome = await self.writer.put(self.keys.key(info, namespace, name), value, 0, lease)
        if not outcome.done:
            raise errors.already_exists(info, name)
        return self._entry(info, namespace, name, Stored(value, outcome.revision, outcome.revision))

    async def update_entry(
        self, info: ResourceInfo, namespace: str, name: str, change: Change, *, ttl_seconds: int = 0
    ) -> Entry:
        """Change an object: ``change`` gets the present one and returns the new one (None: leave it as it is).

        It is called again whenever the object moved on meanwhile, or was refused on the ground of a cached state.

        Raises:
            ApiError: not found, or what ``change`` raises about the object as etcd has it.
        """
        key = self.keys.key(info, namespace, name)
        entry = await self._cached_entry(info, namespace, name)
        certain = entry is None
        if entry is None:
            entry = await self.get_entry(info, namespace, name)
        while True:
            try:
                new = await _resolve(change(entry.object()))
            except ApiError:
                if certain:
                    raise
                entry, certain = await self._certain(info, namespace, name, entry), True
                continue
            value = None if new is None else encode(new)
            if value is None or (with_revision(value, entry.revision)[0] == entry.raw and not self.etcd.is_stale(key)):
                if certain:
                    return entry
                now = await self._certain(info, namespace, name, entry)
                if now.revision == entry.revision:
                    return entry
                entry, certain = now, True
                continue
            lease = await self.leases.lease(ttl_seconds) if ttl_seconds else 0
            outcome = await self.writer.put(key, value, entry.revision, lease)
            if outcome.done:
                return self._entry(info, namespace, name, Stored(value, outcome.revision, 0))
            if outcome.found is None:
                raise errors.not_found(info, name)
            entry, certain = self._entry(info, namespace, name, outcome.found), True

    async def _cached_entry(self, info: ResourceInfo, namespace: str, name: str) -> Entry | None:
        cache = await self.loaded(info)
        return cache.entries.get(f"{namespace}/{name}" if info.namespaced else name)

    async def _certain(self, info: ResourceInfo, namespace: str, name: str, known: Entry) -> Entry:
        entry = await self.get_entry(info, namespace, name)
        return known if entry.revision == known.revision else entry

    async def delete_entry(
        self, info: ResourceInfo, namespace: str, name: str, check: Callable[[Object], None] | None = None
    ) -> Entry:
        """Delete an object that ``check`` does not object to; returns its last state, with the deletion's revision.

        Raises:
            ApiError: not found, or what ``check`` raises about the object as etcd has it.
        """
        key = self.keys.key(info, namespace, name)
        entry = await self._cached_entry(info, namespace, name)
        certain = entry is None
        if entry is None:
            entry = await self.get_entry(info, namespace, name)
        while True:
            try:
                if check is not None:
                    check(entry.object())
            except ApiError:
                if certain:
                    raise
                entry, certain = await self._certain(info, namespace, name, entry), True
                continue
            outcome = await self.writer.delete(key, entry.revision)
            if outcome.done:
                return entry.deleted_at(outcome.revision)
            if outcome.found is None:
                raise errors.not_found(info, name)
            entry, certain = self._entry(info, namespace, name, outcome.found), True

    # -- objects: what the other rooms use ---------------------------------------------------------------------------

    async def ensure_cached(self, *resources: GroupResource) -> None:
        """Load caches that ``cached_get`` and ``cached_list`` will be asked for."""
        for resource in resources:
            await self.loaded(RESOURCES[resource])

    def cached_get(self, resource: GroupResource, namespace: str, name: str) -> Object | None:
        """An object as the cache has it, parsed anew, or None."""
        info = RESOURCES[resource]
        entry = self.cache(info).entries.get(f"{namespace}/{name}" if info.namespaced else name)
        return entry.object() if entry else None

    def cached_list(self, resource: GroupResource, namespace: str | None = None) -> list[Object]:
        """All objects of a kind (or of one namespace) as the cache has them."""
        return [
            entry.object() for entry in self.cache(RESOURCES[resource]).select(f"{namespace}/" if namespace else "")
        ]

    def subscribe(self, resource: GroupResource, callback: Callable[[Object | None, Object | None], None]) -> None:
        """Call back on each change (old, new; None: is not there). Load the cache afterwards to hear of what exists."""

        def parsed(old: Entry | None, new: Entry | None) -> None:
            callback(old.object() if old else None, new.object() if new else None)

        self.cache(RESOURCES[resource]).subscribers.append(parsed)

    async def get(self, resource: GroupResource, namespace: str, name: str) -> Object:
        """An object as etcd has it. Raises ApiError (not found)."""
        return (await self.get_entry(RESOURCES[resource], namespace, name)).object()

    async def list(self, resource: GroupResource, namespace: str | None = None) -> list[Object]:
        """All objects of a kind, fresh."""
        cache = await self.fresh(RESOURCES[resource])
        return [entry.object() for entry in cache.select(f"{namespace}/" if namespace else "")]

    async def create(self, resource: GroupResource, obj: Object) -> Object:
        """Store a complete object. Raises ApiError (already exists)."""
        return (await self.create_entry(RESOURCES[resource], obj)).object()

    async def guaranteed_update(self, resource: GroupResource, namespace: str, name: str, change: Change) -> Object:
        """Change an object, see ``update_entry``."""
        return (await self.update_entry(RESOURCES[resource], namespace, name, change)).object()

    async def delete(
        self, resource: GroupResource, namespace: str, name: str, *, precondition_uid: str | None = None
    ) -> Object:
        """Delete an object. Raises ApiError (not found; conflict where it is another one of the same name)."""
        info = RESOURCES[resource]

        def same(obj: Object) -> None:
            uid = obj["metadata"].get("uid")
            if precondition_uid is not None and uid != precondition_uid:
                raise errors.conflict(
                    info,
                    name,
                    f"Precondition failed: UID in precondition: {precondition_uid}, UID in object meta: {uid}",
                )

        return (await self.delete_entry(info, namespace, name, same)).object()
