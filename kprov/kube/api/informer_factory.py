"""The informers of one process: each collection is listed, watched and kept once, however many read it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import Object, Resource


class InformerFactory:
    """Shares informers, so that each collection is listed, watched and kept once in a process."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client
        self._informers: dict[tuple[Any, ...], Informer] = {}
        self._tasks: dict[tuple[Any, ...], asyncio.Task[None]] = {}
        self._started = False

    def informer(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        field_selector: str | None = None,
        label_selector: str | None = None,
        transform: Callable[[Object], Object] | None = None,
    ) -> Informer:
        """The informer of a kind and selectors; made at the first call, and running if the factory has started."""
        selectors = (resource, namespace, field_selector, label_selector)
        if selectors not in self._informers:
            self._informers[selectors] = Informer(
                self.client,
                resource,
                namespace=namespace,
                field_selector=field_selector,
                label_selector=label_selector,
                transform=transform,
            )
            if self._started:
                self._spawn(selectors)
        return self._informers[selectors]

    def _spawn(self, selectors: tuple[Any, ...]) -> None:
        name = f"informer-{selectors[0].plural}"
        self._tasks[selectors] = asyncio.create_task(self._informers[selectors].run(), name=name)

    async def start(self) -> None:
        """Start all informers in the background; :meth:`stop` ends them."""
        self._started = True
        for selectors in self._informers:
            if selectors not in self._tasks:
                self._spawn(selectors)

    async def wait_synced(self) -> None:
        """Wait until every informer has its first list."""
        for informer in list(self._informers.values()):
            await informer.wait_synced()

    @property
    def synced(self) -> bool:
        """Whether every informer has its first list."""
        return all(informer.synced for informer in self._informers.values())

    async def run(self) -> None:
        """Start all informers and stay until cancelled."""
        await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End all informers."""
        self._started = False
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
