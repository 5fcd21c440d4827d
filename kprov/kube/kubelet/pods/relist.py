"""Notices what happens in the runtime: a list a second, or containerd's own events where it has them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from kprov.kube.kubelet import instruments
from kprov.kube.kubelet.cri.client import Runtime, RuntimeFailure
from kprov.kube.kubelet.names import POD_UID

log = logging.getLogger(__name__)

PERIOD = 1.0
PERIOD_WITH_EVENTS = 30.0


class Relist:
    """Compares the runtime's lists with the last ones and tells which pods changed."""

    def __init__(self, runtime: Runtime, changed: Callable[[str], None]) -> None:
        """``changed`` is called with the uid of each pod in which something happened."""
        self._runtime, self._changed = runtime, changed
        self._known: dict[str, dict[str, int]] = {}  # uid -> id -> state
        self._events = False
        self._wake = asyncio.Event()
        self.last = 0.0  # when the last list came, on the monotonic clock

    @property
    def healthy(self) -> bool:
        """Whether the runtime has answered lately."""
        return time.monotonic() - self.last < 180

    def uids(self) -> set[str]:
        """The pods that the runtime knows."""
        return set(self._known)

    async def run(self) -> None:
        """Look for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            while True:
                try:
                    await self.once()
                except RuntimeFailure as failure:
                    log.warning("the container runtime does not answer: %s", failure)
                self._wake.clear()
                try:
                    async with asyncio.timeout(PERIOD_WITH_EVENTS if self._events else PERIOD):
                        await self._wake.wait()
                    await asyncio.sleep(0.02)  # events come in bursts
                except TimeoutError:
                    pass

    async def once(self) -> None:
        """One look; raises RuntimeFailure."""
        began = time.monotonic()
        found: dict[str, dict[str, int]] = {}
        for sandbox in await self._runtime.sandboxes():
            found.setdefault(sandbox.metadata.uid, {})[sandbox.id] = sandbox.state
        for container in await self._runtime.containers():
            found.setdefault(container.labels.get(POD_UID, ""), {})[container.id] = container.state
        if self.last:
            instruments.RELIST_INTERVALS.observe(time.monotonic() - self.last)
        self.last = time.monotonic()
        instruments.RELISTS.observe(self.last - began)
        before, self._known = self._known, found
        for uid in before.keys() | found.keys():
            if uid and before.get(uid) != found.get(uid):
                self._changed(uid)

    async def _follow(self) -> None:
        """Let the runtime's events set the pace, where it has them."""
        while True:
            try:
                # a runtime that has no events says so at once; one that has them stays silent until something happens
                async for _ in self._runtime.events():
                    self._events = True
                    self._wake.set()
            except RuntimeFailure as failure:
                self._events = False
                if failure.code == "UNIMPLEMENTED":
                    return
                self._wake.set()
            await asyncio.sleep(5)
