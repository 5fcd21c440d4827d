"""Runs controllers against an API server in memory, until a condition holds."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster_in_memory import ClusterInMemory

from kprov.kube.api.informer_factory import InformerFactory
from kprov.kube.controllers.controller import Context, Controller
from kprov.kube.controllers.options import Options


class Bench:
    """A cluster and the controllers that run on it."""

    def __init__(self, cluster: ClusterInMemory) -> None:
        self.cluster = cluster
        self.options = Options()
        client: Any = cluster
        self.informers = InformerFactory(client)
        self.context = Context(client, self.informers, self.options, lambda _: client)
        self.controllers: list[Controller] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *classes: type[Controller]) -> list[Any]:
        """Start controllers; their informers have synced when this returns."""
        started = [cls(self.context) for cls in classes]
        self.controllers += started
        await self.informers.start()
        self._tasks += [asyncio.create_task(controller.run()) for controller in started]
        for controller in started:
            await controller.synced()
        return started

    async def until(self, holds: Callable[[], Any], what: str = "", seconds: float = 60.0) -> Any:
        """Wait until a condition holds. Raises AssertionError with what was still missing."""
        deadline = time.monotonic() + seconds
        while True:
            found = holds()
            if found:
                return found
            for task in self._tasks:
                if task.done():
                    task.result()
            assert time.monotonic() < deadline, f"still missing after {seconds} s: {what or holds}"
            await asyncio.sleep(0.01)

    async def settle(self, seconds: float = 60.0) -> None:
        """Wait until no controller has anything to do now, and the watches have said everything."""
        deadline = time.monotonic() + seconds
        quiet = 0
        while quiet < 10:
            busy = any(len(c.queue) or c.queue._processing for c in self.controllers)
            version = self.cluster.version
            await asyncio.sleep(0.005)
            quiet = 0 if busy or version != self.cluster.version else quiet + 1
            assert time.monotonic() < deadline, f"still busy after {seconds} s"

    async def stop(self) -> None:
        for controller in self.controllers:
            await controller.recorder.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.informers.stop()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench(ClusterInMemory())
    yield made
    await made.stop()


@pytest.fixture
def cluster(bench: Bench) -> ClusterInMemory:
    return bench.cluster
