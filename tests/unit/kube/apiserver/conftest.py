"""A store in memory, for rooms that only read and write objects."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from kprov.kube.api import errors
from kprov.kube.apiserver.resources import RESOURCES

Object = dict[str, Any]
Key = tuple[str, str]


class MemoryStore:
    """What the API server's rooms ask of the store, without etcd."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[tuple[str, str], Object]] = {}
        self._callbacks: dict[Key, list[Callable[[Object | None, Object | None], None]]] = {}

    def add(self, resource: Key, obj: Object) -> Object:
        """Put an object in, new or changed, and tell subscribers."""
        metadata = obj["metadata"]
        place = (metadata.get("namespace") or "", metadata["name"])
        objects = self.objects.setdefault(resource, {})
        old = objects.get(place)
        objects[place] = obj
        for callback in self._callbacks.get(resource, ()):
            callback(old, obj)
        return obj

    def remove(self, resource: Key, namespace: str, name: str) -> None:
        """Take an object out, and tell subscribers."""
        old = self.objects[resource].pop((namespace, name))
        for callback in self._callbacks.get(resource, ()):
            callback(old, None)

    def cached_get(self, resource: Key, namespace: str, name: str) -> Object | None:
        return copy.deepcopy(self.objects.get(resource, {}).get((namespace, name)))

    def subscribe(self, resource: Key, callback: Callable[[Object | None, Object | None], None]) -> None:
        self._callbacks.setdefault(resource, []).append(callback)
        for obj in self.objects.get(resource, {}).values():
            callback(None, obj)

    async def get(self, resource: Key, namespace: str, name: str) -> Object:
        found = self.cached_get(resource, namespace, name)
        if found is None:
            raise errors.not_found(RESOURCES[resource], name)
        return found

    async def list(self, resource: Key, namespace: str | None = None) -> list[Object]:
        return [
            copy.deepcopy(obj) for place, obj in self.objects.get(resource, {}).items() if namespace in (None, place[0])
        ]

    async def create(self, resource: Key, obj: Object) -> Object:
        metadata = obj["metadata"]
        if self.cached_get(resource, metadata.get("namespace") or "", metadata["name"]):
            raise errors.already_exists(RESOURCES[resource], metadata["name"])
        return self.add(resource, copy.deepcopy(obj))

    async def guaranteed_update(
        self, resource: Key, namespace: str, name: str, change: Callable[[Object], Object | None]
    ) -> Object:
        present = await self.get(resource, namespace, name)
        changed = change(copy.deepcopy(present))
        return present if changed is None else self.add(resource, changed)


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()
