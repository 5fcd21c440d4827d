"""What the security rooms need of the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Object = dict[str, Any]
GroupResource = tuple[str, str]
"""Group and plural: ("", "pods"), ("rbac.authorization.k8s.io", "roles")."""

Callback = Callable[[Object | None, Object | None], None]
"""Called with the object before and after a change; None for "is not there"."""


class ObjectReader(Protocol):
    """The watch cache, read without waiting."""

    def cached_get(self, resource: GroupResource, namespace: str, name: str) -> Object | None:
        """One object, or None; ``namespace`` is empty for cluster-scoped kinds."""


class ObjectSource(ObjectReader, Protocol):
    """A watch cache that also tells of changes."""

    def subscribe(self, resource: GroupResource, callback: Callback) -> None:
        """Call back for everything that is there and for every later change."""


class ObjectStore(ObjectSource, Protocol):
    """The cache and what is behind it."""

    async def ensure_cached(self, *resources: GroupResource) -> None:
        """Load the watch cache of kinds, where it is not yet."""

    def cached_list(self, resource: GroupResource, namespace: str | None = None) -> list[Object]:
        """All objects of a kind (or of one namespace) as the watch cache has them."""

    async def get(self, resource: GroupResource, namespace: str, name: str) -> Object:
        """One object as etcd has it. Raises ApiError (not found)."""

    async def list(self, resource: GroupResource, namespace: str | None = None) -> list[Object]:
        """Every object of a kind (or of one namespace), fresh."""

    async def create(self, resource: GroupResource, obj: Object) -> Object:
        """Store a complete object. Raises ApiError (already exists)."""

    async def guaranteed_update(
        self, resource: GroupResource, namespace: str, name: str, change: Callable[[Object], Object | None]
    ) -> Object:
        """Change an object; ``change`` is called again where it moved on meanwhile, and returns None to leave it."""


PODS: GroupResource = ("", "pods")
NODES: GroupResource = ("", "nodes")
SECRETS: GroupResource = ("", "secrets")
NAMESPACES: GroupResource = ("", "namespaces")
SERVICE_ACCOUNTS: GroupResource = ("", "serviceaccounts")
PERSISTENT_VOLUMES: GroupResource = ("", "persistentvolumes")
VOLUME_ATTACHMENTS: GroupResource = ("storage.k8s.io", "volumeattachments")
