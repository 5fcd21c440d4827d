"""The scheduler: takes the next pod, decides over all nodes at once, assumes, and binds while it decides on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

import aiohttp

from kprov.kube.api.errors import ApiError
from kprov.kube.scheduler import instruments
from kprov.kube.scheduler.binder import Binder, BindingFailed
from kprov.kube.scheduler.cluster import Cluster
from kprov.kube.scheduler.framework import Framework, Unschedulable
from kprov.kube.scheduler.pod_info import PodInfo
from kprov.kube.scheduler.preemption import Budgets, Preemption, find_preemption, waits_for_victims
from kprov.kube.scheduler.queue import QueuedPod, SchedulingQueue

log = logging.getLogger(__name__)

_BINDINGS_AT_ONCE = 32  # each is a connection with TLS: memory; more would not be faster


class Scheduler:
    """Decides where pods go.

    Args:
        cluster: what is believed of nodes and pods; others keep it up to date.
        queue: the pods that wait.
        frameworks: the plugins, by profile (schedulerName).
        binder: writes the decisions.
        budgets: the PodDisruptionBudgets of a namespace.
    """

    def __init__(
        self,
        cluster: Cluster,
        queue: SchedulingQueue,
        frameworks: Mapping[str, Framework],
        binder: Binder,
        budgets: Budgets = lambda namespace: (),
    ) -> None:
        self.cluster, self.queue, self.frameworks = cluster, queue, frameworks
        self._binder, self._budgets = binder, budgets
        self._slots = asyncio.Semaphore(_BINDINGS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Schedule until cancelled; bindings that are on their way are waited for."""
        try:
            while True:
                entry = await self.queue.pop()
                await self._slots.acquire()
                self.schedule(entry)
                await asyncio.sleep(0)  # events and bindings have their turn after each decision
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=5)

    async def close(self) -> None:
        """Write what still waits to be said."""
        await self._binder.close()

    def schedule(self, entry: QueuedPod) -> None:
        """Decide about one pod. The binding, or the report why not, goes its way as a task; needs a slot."""
        pod = entry.pod
        framework = self.frameworks.get(_profile(pod))
        if framework is None or pod.terminating or self.cluster.node_of(pod.uid) is not None:
            self.queue.done(entry)
            self._slots.release()
            return
        began = time.monotonic()
        try:
            node = self.decide(framework, pod)
        except Unschedulable as failure:
            instruments.attempted(_profile(pod), "unschedulable", began)
            self._spawn(self._fail(framework, entry, failure))
            return
        except Exception as error:
            log.exception("pod %s: the decision failed", pod.key)
            instruments.attempted(_profile(pod), "error", began)
            self._spawn(self._report(entry, "SchedulerError", str(error), frozenset()))
            return
        finally:
            instruments.ALGORITHM_SECONDS.observe(time.monotonic() - began)
        self.cluster.assume(pod, node)
        self.cluster.nominated.pop(pod.uid, None)
        self._spawn(self._bind(entry, node, began))

    def decide(self, framework: Framework, pod: PodInfo) -> str:
        """The name of the best node.

        Raises:
            Unschedulable: no node will do.
        """
        cycle = framework.cycle(self.cluster, pod)
        profile, began, found = _profile(pod), time.monotonic(), False
        try:
            framework.find_feasible(cycle)
            found = True
        finally:
            instruments.asked_plugins("Filter", profile, began, found=found)
        promised = self.cluster.nominated.get(pod.uid)
        if promised is not None:
            row = self.cluster.table.row_of.get(promised[1])
            if row is not None and cycle.alive[row]:
                return promised[1]
        began = time.monotonic()
        best = framework.best(cycle)
        instruments.asked_plugins("Score", profile, began)
        return self.cluster.table.names[best]

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()):
            log.error("a scheduling task failed", exc_info=error)

    async def _bind(self, entry: QueuedPod, node: str, began: float) -> None:
        pod = entry.pod
        asked = time.monotonic()
        try:
            await self._binder.bind(pod, node)
        except BindingFailed as failure:
            instruments.attempted(_profile(pod), "error", began)
            if self.cluster.forget(pod.uid):
                self.queue.event(None)  # its place is free again
            log.warning("pod %s was not bound to %s: %s", pod.key, node, failure)
            await self._report(entry, "SchedulerError", f"binding rejected: {failure}", frozenset())
            return
        instruments.asked_plugins("Bind", _profile(pod), asked)
        instruments.attempted(_profile(pod), "scheduled", began)
        instruments.placed(entry, self.queue.age(entry))
        self.queue.done(entry)

    async def _fail(self, framework: Framework, entry: QueuedPod, failure: Unschedulable) -> None:
        """Make room if that is possible, and say why there is no place."""
        pod = entry.pod
        nominated: str | None = None
        if self.cluster.table.count == 0:
            sentence = ""
        elif waits_for_victims(self.cluster, pod):
            sentence = "preemption: not eligible due to a terminating pod on the nominated node."
        else:
            preemption, sentence = find_preemption(framework, self.cluster, pod, failure.curable, self._budgets)
            if preemption:
                nominated = preemption.node
                self.cluster.nominated[pod.uid] = (pod, preemption.node)
                await self._make_room(pod, preemption)
            elif self.cluster.nominated.pop(pod.uid, None):
                nominated = ""
        message = f"{failure.message} {sentence}".rstrip()
        await self._report(entry, "Unschedulable", message, failure.plugins, nominated)

    async def _make_room(self, pod: PodInfo, preemption: Preemption) -> None:
        instruments.PREEMPTIONS.inc()
        instruments.VICTIMS.observe(len(preemption.victims))
        evictions = (self._binder.evict(victim, pod, preemption.node) for victim in preemption.victims)
        for outcome in await asyncio.gather(*evictions, return_exceptions=True):
            if isinstance(outcome, ApiError | aiohttp.ClientError | TimeoutError | OSError):
                log.warning("pod %s: a victim on %s was not removed: %s", pod.key, preemption.node, outcome)

    async def _report(
        self, entry: QueuedPod, reason: str, message: str, blamed: frozenset[str], nominated: str | None = None
    ) -> None:
        try:
            if entry.pod.uid in self.queue:  # else it was deleted meanwhile
                await self._binder.report_failure(entry.pod, reason, message, nominated)
        finally:
            self.queue.failed(entry, blamed)


def _profile(pod: PodInfo) -> str:
    return str(pod.spec.get("schedulerName") or "default-scheduler")
