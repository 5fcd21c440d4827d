"""The aggregator: knows the other API servers, passes requests on to them, and tells clients of them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp

from kprov.kube.apiserver.aggregation.api_service import API_SERVICES, GroupVersion, Remote, remote_of
from kprov.kube.apiserver.aggregation.availability import Asking, Availability
from kprov.kube.apiserver.aggregation.discovery import Known, MergedDocuments
from kprov.kube.apiserver.aggregation.forwarding import Forwarder
from kprov.kube.apiserver.aggregation.registration import Registration
from kprov.kube.apiserver.aggregation.schemas import RemoteSchemas
from kprov.kube.apiserver.aggregation.trust import ProxyTLS, Untrusted
from kprov.kube.apiserver.http.message import Answer, Request
from kprov.kube.apiserver.services.resolving import ENDPOINTS, SERVICES, ServiceResolver, Unresolved
from kprov.kube.apiserver.storage.store import Store

Object = dict[str, Any]
_log = logging.getLogger(__name__)

CACHES = (API_SERVICES, SERVICES, ENDPOINTS, ("apiextensions.k8s.io", "customresourcedefinitions"))


class Aggregator:
    """All of it.

    Args:
        store: where APIServices are.
        resolver: finds the Services that they name.
        certificate: --proxy-client-cert-file.
        key: --proxy-client-key-file.
    """

    def __init__(self, store: Store, resolver: ServiceResolver, certificate: str, key: str) -> None:
        tls = ProxyTLS(certificate, key)
        self._remotes: dict[GroupVersion, Remote] = {}
        self._resources: dict[GroupVersion, tuple[Object, ...]] = {}
        self._forwarder = Forwarder(resolver, tls)
        self._asking = Asking(resolver, tls)
        self._registration = Registration(store)
        self.schemas = RemoteSchemas(self._asking)
        self.documents = MergedDocuments(self._known)
        store.subscribe(API_SERVICES, self._changed)
        self._availability = Availability(store, self._asking, self._told)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        before = remote_of(old) if old is not None else None
        remote = remote_of(new) if new is not None else None
        if remote is not None:
            self._remotes[remote.key] = remote
        elif before is not None:
            self._remotes.pop(before.key, None)
            self._resources.pop(before.key, None)
            self.schemas.forget(before.key)

    def _known(self) -> list[Known]:
        return [Known(remote, self._resources.get(key)) for key, remote in self._remotes.items()]

    async def _told(self, remote: Remote, document: Object) -> None:
        """What a server that answered says of its resources."""
        found = document.get("resources")
        self._resources[remote.key] = tuple(each for each in found or () if isinstance(each, dict))
        try:
            await self.schemas.refresh(remote)
        except (aiohttp.ClientError, OSError, TimeoutError, Unresolved, Untrusted, ValueError) as error:
            _log.info("the schemas of %s cannot be read: %s", remote.name, error or type(error).__name__)

    def serving(self, path: str) -> Remote | None:
        """The other server that a path belongs to, or None."""
        if not self._remotes:
            return None
        parts = [part for part in path.split("/", 5) if part]
        if len(parts) >= 3 and parts[0] == "apis":
            return self._remotes.get((parts[1], parts[2]))
        if len(parts) >= 2 and parts[0] == "api":
            return self._remotes.get(("", parts[1]))
        return None

    async def forward(self, request: Request, remote: Remote) -> Answer:
        """Another server's answer to a request."""
        return await self._forwarder.forward(request, remote)

    def serving_schemas(self, path: str) -> Remote | None:
        """The other server that has its own OpenAPI 3 document at a path (/openapi/v3/apis/GROUP/VERSION)."""
        remote = self.serving(path.removeprefix("/openapi/v3")) if path.startswith("/openapi/v3/") else None
        return remote if remote is not None and self.schemas.has_v3(remote.key) else None

    async def register(self) -> None:
        """Make the APIServices of this server's own groups. Raises ApiError or EtcdError: call again."""
        await self._registration.register()

    async def run(self) -> None:
        """Keep them in step until cancelled."""
        await self._registration.run()

    async def close(self) -> None:
        """Close what is open."""
        await self._availability.close()
        await asyncio.gather(self._forwarder.close(), self._asking.close())
