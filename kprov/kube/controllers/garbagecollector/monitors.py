"""Follows every kind that can be listed, watched and deleted, as they come and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import Resource
from kprov.kube.controllers.controller import Context
from kprov.kube.controllers.discovery import Discovery, discover
from kprov.kube.controllers.garbagecollector.graph import slim

Object = dict[str, Any]
log = logging.getLogger(__name__)

FIRST_LISTS_SECONDS = 30.0
IGNORED = {("", "events"), ("events.k8s.io", "events")}


class Monitors:
    """An informer a kind: the process's own where it has one, else one that keeps only what the graph needs.

    Args:
        context: the process's informers, and its client for those of one's own.
        client: asked which kinds there are.
        seen: called with an object that is new or has changed, and its kind.
        gone: called with an object that was deleted.
        unserved: called with a kind that is served no more: its objects were not deleted.
    """

    def __init__(
        self,
        context: Context,
        client: ApiClient,
        seen: Callable[[Resource, Object], None],
        gone: Callable[[Object], None],
        unserved: Callable[[Resource], None],
    ) -> None:
        self._context, self._client = context, client
        self._seen, self._gone, self._unserved = seen, gone, unserved
        self._kinds: dict[tuple[str, str], Resource] = {}
        self._followed: dict[Resource, tuple[Informer, asyncio.Task[None] | None]] = {}
        self.ready = asyncio.Event()
        """Set once all kinds were listed, or were waited for long enough."""

    def resource(self, group: str, kind: str) -> Resource | None:
        """The kind of that name, where it is or was served."""
        return self._kinds.get((group, kind))

    async def follow_all(self) -> None:
        """Look which kinds there are by now; wait for their lists the first time."""
        found: Discovery = await discover(self._client)
        for entry in found.served:
            self._kinds[entry.resource.group, entry.resource.kind] = entry.resource
        wanted = {
            resource
            for resource in found.with_verbs("list", "watch", "delete")
            if (resource.group, resource.plural) not in IGNORED
        }
        for resource in sorted(wanted - self._followed.keys(), key=lambda r: (r.group, r.plural)):
            self._follow(resource)
        if not found.failed:
            for resource in self._followed.keys() - wanted:
                self._unfollow(resource)
        if not self.ready.is_set():
            await self._first_lists()
            self.ready.set()

    async def _first_lists(self) -> None:
        """Wait for all kinds, but not for ever: an owner of a kind that can't be listed is asked for by itself."""
        synced = [asyncio.create_task(informer.wait_synced()) for informer, _ in self._followed.values()]
        try:
            _, late = await asyncio.wait(synced, timeout=FIRST_LISTS_SECONDS)
            if late:
                log.warning("garbage collector: %d kinds could not be listed yet; going on without", len(late))
        finally:
            for task in synced:
                task.cancel()

    def _follow(self, resource: Resource) -> None:
        task = None
        if resource in self._context.shared:
            informer = self._context.informer(resource)
        else:
            informer = Informer(self._context.client, resource, transform=slim)
            task = asyncio.create_task(informer.run(), name=f"garbage-{resource.plural}")
        informer.add_handler(
            on_add=lambda obj: self._seen(resource, obj),
            on_update=lambda _, obj: self._seen(resource, obj),
            on_delete=self._gone,
        )
        self._followed[resource] = (informer, task)

    def _unfollow(self, resource: Resource) -> None:
        _, task = self._followed.pop(resource)
        if task is not None:
            task.cancel()
        self._unserved(resource)

    async def stop(self) -> None:
        """Stop the informers of one's own."""
        tasks = [task for _, task in self._followed.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
