"""The life of one pod on this machine: run it, keep it running, end it, clear it away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from kprov.kube.api import clock
from kprov.kube.kubelet.names import full_name
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.plan import Actions, Stop, plan
from kprov.kube.kubelet.pods.probing import probe_running
from kprov.kube.kubelet.pods.records import PodRecord
from kprov.kube.kubelet.pods.reporting import Reports
from kprov.kube.kubelet.pods.starter import Starter, StartError, field_path, pull_secrets
from kprov.kube.kubelet.pods.status import Observation
from kprov.kube.kubelet.pods.steps import Steps
from kprov.kube.kubelet.pods.stopper import Stopper
from kprov.kube.kubelet.pods.termination import EXPIRED, SHUT_DOWN, Termination, time_left
from kprov.kube.kubelet.pods.waiting import Waiting
from kprov.kube.kubelet.probes.counts import ProbeCounts
from kprov.kube.kubelet.probes.prober import LIVENESS, STARTUP, Prober
from kprov.kube.kubelet.volumes.sources import VolumeError

log = logging.getLogger(__name__)

Pod = dict[str, Any]
START_RETRY = 5.0
# Seconds for the final status to be written; an API that is away must not keep volumes mounted for ever.
LAST_REPORT = 10.0
# Seconds between the word that a pod is not ready and its end, for the proxies of all nodes to act on it.
NOTICE = 2.0


class PodWorker:
    """One pod's worker: everything that happens to the pod happens in its task, one thing after the other."""

    def __init__(self, host: Host, pod: Pod, gone: Callable[[str], None]) -> None:
        """``gone`` is called with the uid when nothing of the pod is left."""
        self.host, self.pod, self._gone = host, pod, gone
        self.uid: str = pod["metadata"]["uid"]
        self.record = PodRecord(self.uid)
        self.removed = False  # the API has forgotten the pod
        self.ended = False  # everything is stopped and cleared, the object may still be there
        self._cleared = False  # nothing of the pod is left
        self._ends = False  # the step under way is one towards the end, which news must not interrupt
        self._termination = Termination()
        self._grace: float | None = None
        self._wake = asyncio.Event()
        self._wake.set()
        self._over_and_done = asyncio.Event()
        self._waiting, self._reports = Waiting(host), Reports(host, pod)
        self._steps = Steps(full_name(pod))
        self._starter, self._stopper = Starter(host), Stopper(host)
        self._prober = Prober(host.checker, self._wake.set, self._probe_event, ProbeCounts(pod))
        self._task = asyncio.create_task(self._run(), name=f"pod {full_name(pod)}")

    # ---- what others tell the worker

    def update(self, pod: Pod) -> None:
        """The API's object changed."""
        labels = (self.pod["metadata"].get("labels"), self.pod["metadata"].get("annotations"))
        if labels != (pod["metadata"].get("labels"), pod["metadata"].get("annotations")):
            self.host.volumes.expire(self.uid)
        shorter = self._grace is not None and self._termination.grace_of(pod) < self._grace
        spec_changed = pod["spec"] != self.pod["spec"] or pod["metadata"].get("deletionTimestamp")
        self.pod = pod
        if not self.ended and (shorter or (self.ending and not self._ends)):
            self._steps.interrupt()
        if spec_changed or self.ended:
            self._wake.set()

    def remove(self) -> None:
        """The API has forgotten the pod."""
        self.removed = True
        if not self._ends:
            self._steps.interrupt()
        self._wake.set()

    def evict(self, reason: str, message: str) -> None:
        """Fail the pod: it stops here and is not restarted."""
        self._termination.failure = (reason, message)
        if not self._ends:
            self._steps.interrupt()
        self._wake.set()

    def shut_down(self, deadline: float) -> None:
        """The machine goes down: end by ``deadline``, a moment of the loop's clock."""
        self._termination.shut_down_by = deadline
        if not self._ends:
            self._termination.failure = self._termination.failure or SHUT_DOWN
            self._steps.interrupt()
        elif self._grace is not None and self._termination.grace_of(self.pod) < self._grace:
            self._steps.interrupt()  # it ends already, and may take less time now
        self._wake.set()

    async def until_ended(self) -> None:
        """Wait until nothing of the pod runs."""
        await self._over_and_done.wait()

    def poke(self) -> None:
        """Something changed in the runtime."""
        self._wake.set()

    def waiting_for(self, container: str) -> str:
        """The reason for which a container waits, or an empty text."""
        return self._waiting.reason(container)

    @property
    def ending(self) -> bool:
        """Whether the pod is to stop."""
        deleted = bool(self.pod["metadata"].get("deletionTimestamp"))
        return self.removed or deleted or self._termination.failure is not None

    async def stop(self) -> None:
        """Stop working; containers go on (the kubelet stops, not the pod)."""
        self._task.cancel()
        self._prober.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    # ---- the loop

    async def _run(self) -> None:
        while not self._cleared:
            self._ends = self.ending or self._over()
            kind = "kill" if self._ends else "sync" if self.record.sandbox else "create"
            delay = await self._steps.run(self._end if self._ends else self._sync, kind)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            self._wake.clear()
        self._prober.close()
        self._gone(self.uid)

    def _over(self) -> bool:
        if self.ended or (self.pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return True
        left = self._time_left()
        if left is not None and left <= 0:
            self._termination.failure = EXPIRED
            self.host.event(self.pod, "Normal", *EXPIRED, "")
            return True
        return False

    def _time_left(self) -> float | None:
        return time_left(self.pod, self._reports.known(self.pod).get("startTime"))

    # ---- running

    async def _sync(self) -> float | None:
        host, pod = self.host, self.pod
        self.record = await host.reader.read(self.uid)
        self._probe()
        actions = plan(pod, self.record, self._prober.failed, self._prober.started)
        self._report()
        if actions.finished:
            self._ends = True
            return await self._end()
        if (
            not pod["spec"].get("hostNetwork")
            and (actions.new_sandbox or actions.start)
            and (why := host.network_problem())
        ):
            host.event(pod, "Warning", "NetworkNotReady", f"network is not ready: {why}", "")
            return 5
        for stop in actions.stop:
            await self._restart(stop)
        volumes = await self._volumes()
        if actions.new_sandbox:
            if self.record.running or any(each.ready for each in self.record.sandboxes):
                host.event(
                    pod, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.", ""
                )
                await self._stopper.stop_pod(pod, self.record, self._termination.grace_of(pod))
            await self._starter.start_sandbox(pod, self.record)
            self.record = await host.reader.read(self.uid)
            actions = plan(pod, self.record, self._prober.failed, self._prober.started)
            self._report()
        delay = await self._start(actions, volumes)
        await self._stopper.prune(self.record)
        delays = [delay, self._time_left()]
        if (refresh := host.volumes.refresh_at(self.uid)) is not None:
            delays.append(refresh - clock.steady())
        known = [max(each, 0.05) for each in delays if each is not None]
        return min(known) if known else None

    async def _volumes(self) -> dict[str, Any]:
        try:
            return (await self.host.volumes.prepare(self.pod)).paths
        except VolumeError as problem:
            if self.record.running:  # what runs goes on with the content that it has
                log.warning("pod %s: %s", full_name(self.pod), problem)
            self.host.event(self.pod, "Warning", "FailedMount", str(problem), "")
            raise

    async def _start(self, actions: Actions, volumes: dict[str, Any]) -> float | None:
        """Start what is due; returns seconds until something else is."""
        delays: list[float] = []
        started = False
        secrets: list[dict[str, Any]] | None = None
        for container in actions.start:
            name = container["name"]
            if (left := self._waiting.back_off(self.pod, self.record, container)) > 0:
                delays.append(left)
                continue
            if secrets is None:
                secrets = await pull_secrets(self.host, self.pod)
            try:
                await self._starter.start_container(self.pod, container, self.record, volumes, secrets)
            except StartError as problem:
                self._waiting.reasons[name] = (problem.reason, problem.message)
                wait = self.host.images.retry_after(self.pod, container)
                delays.append(wait or START_RETRY)
                started = True
                continue
            self._waiting.reasons.pop(name, None)
            started = True
        if started or actions.stop:
            self.record = await self.host.reader.read(self.uid)
            self._probe()
        if started or actions.start or actions.stop:
            self._report()
        if started and not delays:
            self._wake.set()  # the next init container, or a container that ended at once
        return min(delays) if delays else None

    async def _restart(self, stop: Stop) -> None:
        """Stop a container that the next step will start again."""
        grace = self._termination.grace_of(self.pod)
        if stop.container is not None and stop.probe:
            own = self._prober.grace_of(stop.container, stop.probe)
            grace = grace if own is None else own
        address = self._address()
        await self._stopper.stop_container(self.pod, stop.record, stop.container, address, grace, stop.message)
        self._wake.set()

    # ---- ending

    async def _end(self) -> float | None:
        host = self.host
        if not self.ended:
            self.record = await host.reader.read(self.uid)
            self._prober.stop_kinds(LIVENESS, STARTUP)
            self._grace = self._termination.grace_of(self.pod)
            try:
                if not self.removed:
                    await self._leave_services()
                    self._grace = self._termination.grace_of(self.pod)
                await self._stopper.stop_pod(self.pod, self.record, self._grace)
            finally:
                self._grace = None
            self._prober.close()
            self.record = await host.reader.read(self.uid)
            if self.record.running:
                return 0.5
            self._over_and_done.set()
            if not self.removed:
                self._report(ending=True)
                await self._reports.written(LAST_REPORT)
            await host.volumes.remove(self.uid)
            await asyncio.to_thread(host.cgroups.remove, self.uid)
            host.images.forget(self.uid)
            host.tokens.forget(self.uid)
            host.backoff.forget(f"{self.uid}/")
            self.ended = True
        if self.removed:
            await self._stopper.remove_all(self.record)
            host.statuses.forget(self.uid)
            self._cleared = True
            return 0
        if self.pod["metadata"].get("deletionTimestamp"):
            await host.statuses.flush(self.uid)
            await host.remove_pod(self.pod)
            return 10  # the watch says when it is gone; ask again if it does not
        return None

    async def _leave_services(self) -> None:
        """Report that the pod ends; one that goes with its machine ends only when its Services know."""
        known = {each["type"]: each["status"] for each in self._reports.known(self.pod).get("conditions") or []}
        self._report()
        if self._termination.by_shutdown and known.get("Ready") == "True":
            await self._reports.written(NOTICE)
            await asyncio.sleep(min(NOTICE, self._termination.left() / 2))

    # ---- reporting

    def _address(self) -> str:
        sandbox = self.record.sandbox
        return sandbox.addresses[0] if sandbox and sandbox.addresses else self.host.node_ip

    def _probe(self) -> None:
        probe_running(self._prober, self.pod, self.record, self._address(), self.host.started_at)

    def _report(self, ending: bool = False) -> None:
        failure = self._termination.failure
        seen = Observation(
            waiting={} if ending else self._waiting.reasons,
            ready=self._prober.ready,
            started=self._prober.started,
            host_ip=self.host.node_ip,
            ending=ending,
            failed=failure if ending or not self.record.running else None,
            disrupted=SHUT_DOWN[1] if self._termination.by_shutdown else "",
        )
        self._reports.put(self.pod, self.record, seen)

    def _probe_event(self, kind: str, reason: str, message: str, container: str) -> None:
        self.host.event(self.pod, kind, reason, message, field_path(self.pod, container))
