"""A machine that goes down in order: its pods are ended first, the system's own after all others.

As upstream's kubelet does it (shutdownGracePeriod, shutdownGracePeriodCriticalPods): the node says that it is not
ready, takes no further pods, and each pod is Failed with the reason Terminated. Before its containers are told to end,
a pod is reported as not ready, so that its Services send nothing to it any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Protocol

from kprov.kube.api import sd_notify
from kprov.kube.kubelet.api_failures import API_FAILURES
from kprov.kube.kubelet.names import full_name
from kprov.kube.kubelet.node.logind import Logind, NoLogind
from kprov.kube.kubelet.pods.resources import is_critical
from kprov.kube.kubelet.pods.worker import PodWorker

log = logging.getLogger(__name__)

_RETRY = 30.0
_PATIENCE = 2.0  # seconds for the API to hear that the node goes down; pods are ended in any case


class Announcer(Protocol):
    """Who says that the machine goes down, and waits: logind."""

    def allow(self, seconds: float) -> None:
        """Have it wait for so long."""

    def hold(self) -> None:
        """From now on it waits."""

    def let_go(self) -> None:
        """It need not wait any more."""

    def announcements(self) -> AsyncGenerator[bool, None]:
        """True: the machine goes down. False: it does not after all."""

    def close(self) -> None:
        """Hang up."""


class Pods(Protocol):
    """Those of this machine."""

    def running(self) -> Iterable[PodWorker]:
        """The workers of pods that have not ended."""

    def close_down(self) -> None:
        """Take no further pods."""

    def open_up(self) -> None:
        """Take pods again, those that came meanwhile first."""


class Voice(Protocol):
    """The node's voice in the API."""

    stopping: bool

    async def report_now(self) -> None:
        """Report the node's status."""


async def system_stops() -> bool:
    """Whether systemd is about to end everything, and not only the kubelet."""
    try:
        asked = await asyncio.create_subprocess_exec(
            "systemctl",
            "is-system-running",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return False  # no systemd: nobody will say so
    try:
        async with asyncio.timeout(_PATIENCE):
            output, _ = await asked.communicate()
    except TimeoutError:
        asked.kill()
        await asked.wait()
        return False
    return output.strip() == b"stopping"


class NodeShutdown:
    """Ends the pods before the machine ends.

    Args:
        pods: those of this machine.
        voice: tells the API of it.
        grace: seconds for all pods together; 0: nothing is delayed, and pods are not ended.
        critical: how many of them are for the system's own pods, at the end.
        connect: gives logind, or raises NoLogind.
        stops: whether the whole system is being stopped.
    """

    def __init__(
        self,
        pods: Pods,
        voice: Voice,
        grace: float,
        critical: float,
        *,
        connect: Callable[[], Announcer] = Logind.connect,
        stops: Callable[[], Awaitable[bool]] = system_stops,
    ) -> None:
        self._pods, self._voice, self._grace, self._critical = pods, voice, grace, critical
        self._connect, self._stops = connect, stops
        self._ended = False

    async def run(self) -> None:
        """Hear of shutdowns for ever, and delay them until the pods have ended."""
        told = ""
        while self._grace:
            try:
                await self._follow()
            except Exception as problem:  # whatever it is: a kubelet that delays no shutdown is better than none
                if str(problem) != told and not self._ended:  # the bus goes with the machine
                    told = str(problem)
                    unforeseen = None if isinstance(problem, NoLogind) else problem
                    words = "shutdowns are not delayed, pods end when the kubelet is stopped: %s"
                    log.warning(words, problem, exc_info=unforeseen)
            await asyncio.sleep(_RETRY)

    async def _follow(self) -> None:
        announcer = await asyncio.to_thread(self._connect)
        try:
            await asyncio.to_thread(announcer.allow, self._grace)
            await asyncio.to_thread(announcer.hold)
            log.info("the machine's shutdown waits up to %g s for pods to end", self._grace)
            async with contextlib.aclosing(announcer.announcements()) as announcements:
                async for goes_down in announcements:
                    if goes_down:
                        await self.end_pods()
                        announcer.let_go()
                    else:
                        await self._call_off()
                        await asyncio.to_thread(announcer.hold)
        finally:
            announcer.close()

    async def at_stop(self) -> None:
        """The kubelet is told to stop: where the whole system is, and nobody has waited for the pods, end them now."""
        if self._grace and not self._ended and await self._stops():
            # systemd would kill the kubelet after the unit's TimeoutStopSec otherwise, however long the grace is.
            sd_notify.notify(f"EXTEND_TIMEOUT_USEC={(self._grace + 10) * 1e6:.0f}")
            await self.end_pods()

    async def end_pods(self) -> None:
        """Say that the node goes down, and end its pods within the time that they have."""
        if self._ended:
            return
        self._ended = True
        log.info("the machine goes down: its pods are ended")
        self._pods.close_down()
        self._voice.stopping = True
        telling = asyncio.create_task(self._tell())
        try:
            ordinary = [worker for worker in self._pods.running() if not is_critical(worker.pod)]
            await self._end(ordinary, self._grace - self._critical)
            await self._end(list(self._pods.running()), self._critical)
        finally:
            await telling

    async def _end(self, workers: Iterable[PodWorker], seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        ends = []
        for worker in workers:
            worker.shut_down(deadline)
            ends.append(asyncio.create_task(worker.until_ended(), name=full_name(worker.pod)))
        if not ends:
            return
        _, late = await asyncio.wait(ends, timeout=seconds)
        for end in late:
            log.warning("pod %s has not ended within %g s", end.get_name(), seconds)
            end.cancel()

    async def _tell(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                try:
                    await self._voice.report_now()
                except API_FAILURES as failure:
                    log.warning("the API was not told that the node goes down: %s", failure or type(failure).__name__)

    async def _call_off(self) -> None:
        if not self._ended:
            return
        log.info("the machine stays: it takes pods again")
        self._ended = self._voice.stopping = False
        self._pods.open_up()
        await self._tell()
