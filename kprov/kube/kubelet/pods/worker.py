"""The life of one pod on this machine: run it, keep it running, end it, clear it away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from kprov.kube.api import clock
from kprov.kube.kubelet import instruments
from kprov.kube.kubelet.api_failures import API_FAILURES
from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.names import full_name
from kprov.kube.kubelet.pods.conditions import OWN_CONDITIONS
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.plan import Actions, Stop, plan
from kprov.kube.kubelet.pods.records import EXITED, RUNNING, PodRecord
from kprov.kube.kubelet.pods.starter import Starter, StartError, field_path
from kprov.kube.kubelet.pods.status import Observation, pod_status
from kprov.kube.kubelet.pods.stopper import Stopper
from kprov.kube.kubelet.probes.counts import ProbeCounts
from kprov.kube.kubelet.probes.prober import LIVENESS, STARTUP, Prober
from kprov.kube.kubelet.volumes.sources import VolumeError

log = logging.getLogger(__name__)

Pod = dict[str, Any]
FIRST_RETRY, LAST_RETRY, START_RETRY = 0.5, 15.0, 5.0
# As upstream words it: what a pod ends with whose machine goes down.
SHUT_DOWN = ("Terminated", "Pod was terminated in response to imminent node shutdown.")
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
        self._failure: tuple[str, str] | None = None
        self._grace: float | None = None
        self._shut_down_by: float | None = None  # the loop's time when the pod's part of a shutdown is over
        self._wake = asyncio.Event()
        self._wake.set()
        self._over_and_done = asyncio.Event()
        self._waiting: dict[str, tuple[str, str]] = {}
        self._step: asyncio.Task[Any] | None = None
        self._retry = FIRST_RETRY
        # when the pod was first seen, until it runs; one that ran before the kubelet was restarted is not timed
        self._seen_at = None if (pod.get("status") or {}).get("startTime") else time.monotonic()
        self._starter, self._stopper = Starter(host), Stopper(host)
        self._prober = Prober(host.checker, self._wake.set, self._probe_event, ProbeCounts(pod))
        self._task = asyncio.create_task(self._run(), name=f"pod {full_name(pod)}")

    # ---- what others tell the worker

    def update(self, pod: Pod) -> None:
        """The API's object changed."""
        labels = (self.pod["metadata"].get("labels"), self.pod["metadata"].get("annotations"))
        if labels != (pod["metadata"].get("labels"), pod["metadata"].get("annotations")):
            self.host.volumes.expire(self.uid)
        shorter = self._grace is not None and self._grace_of(pod) < self._grace
        spec_changed = pod["spec"] != self.pod["spec"] or pod["metadata"].get("deletionTimestamp")
        self.pod = pod
        if self._step and not self.ended and (shorter or (self.ending and not self._ends)):
            self._step.cancel()
        if spec_changed or self.ended:
            self._wake.set()

    def remove(self) -> None:
        """The API has forgotten the pod."""
        self.removed = True
        if self._step and not self._ends:
            self._step.cancel()
        self._wake.set()

    def evict(self, reason: str, message: str) -> None:
        """Fail the pod: it stops here and is not restarted."""
        self._failure = (reason, message)
        if self._step and not self._ends:
            self._step.cancel()
        self._wake.set()

    def shut_down(self, deadline: float) -> None:
        """The machine goes down: end by ``deadline``, a moment of the loop's clock."""
        self._shut_down_by = deadline
        if not self._ends:
            self._failure = self._failure or SHUT_DOWN
            if self._step:
                self._step.cancel()
        elif self._step and self._grace is not None and self._grace_of(self.pod) < self._grace:
            self._step.cancel()  # it ends already, and may take less time now
        self._wake.set()

    async def until_ended(self) -> None:
        """Wait until nothing of the pod runs."""
        await self._over_and_done.wait()

    def poke(self) -> None:
        """Something changed in the runtime."""
        self._wake.set()

    def waiting_for(self, container: str) -> str:
        """The reason for which a container waits, or an empty text."""
        return self._waiting.get(container, ("", ""))[0]

    @property
    def ending(self) -> bool:
        """Whether the pod is to stop."""
        return self.removed or bool(self.pod["metadata"].get("deletionTimestamp")) or self._failure is not None

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
            delay = await self._guarded(self._end if self._ends else self._sync)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            self._wake.clear()
        self._prober.close()
        self._gone(self.uid)

    async def _guarded(self, step: Callable[[], Any]) -> float | None:
        """Run a step that news may cancel; returns seconds until the next one, None for "when something happens"."""
        began, kind = time.monotonic(), "kill" if self._ends else "sync" if self.record.sandbox else "create"
        self._step = asyncio.create_task(step())
        try:
            delay: float | None = await self._step
            self._retry = FIRST_RETRY
            return delay
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                self._step.cancel()
                raise
            return 0
        except (StartError, VolumeError, RuntimeFailure, OSError, *API_FAILURES) as problem:
            log.info("pod %s: %s", full_name(self.pod), problem)
        except Exception:
            log.exception("pod %s: a step failed", full_name(self.pod))
        finally:
            self._step = None
            instruments.SYNCS.observe(time.monotonic() - began, kind)
        self._retry = min(self._retry * 2, LAST_RETRY)
        return self._retry

    def _over(self) -> bool:
        if self.ended or (self.pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return True
        left = self._deadline()
        if left is not None and left <= 0:
            self._failure = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
            self.host.event(self.pod, "Normal", "DeadlineExceeded", self._failure[1], "")
            return True
        return False

    def _deadline(self) -> float | None:
        limit = self.pod["spec"].get("activeDeadlineSeconds")
        started = self._known_status().get("startTime")
        return clock.seconds_of(started) + limit - time.time() if limit is not None and started else None

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
                await self._stopper.stop_pod(pod, self.record, self._grace_of(pod))
            await self._starter.start_sandbox(pod, self.record)
            self.record = await host.reader.read(self.uid)
            actions = plan(pod, self.record, self._prober.failed, self._prober.started)
            self._report()
        delay = await self._start(actions, volumes)
        await self._stopper.prune(self.record)
        delays = [delay, self._deadline()]
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
            if (left := self._back_off(container)) > 0:
                delays.append(left)
                continue
            if secrets is None:
                secrets = await self._pull_secrets()
            try:
                await self._starter.start_container(self.pod, container, self.record, volumes, secrets)
            except StartError as problem:
                self._waiting[name] = (problem.reason, problem.message)
                wait = self.host.images.retry_after(self.pod, container)
                delays.append(wait or START_RETRY)
                started = True
                continue
            self._waiting.pop(name, None)
            started = True
        if started or actions.stop:
            self.record = await self.host.reader.read(self.uid)
            self._probe()
        if started or actions.start or actions.stop:
            self._report()
        if started and not delays:
            self._wake.set()  # the next init container, or a container that ended at once
        return min(delays) if delays else None

    def _back_off(self, container: dict[str, Any]) -> float:
        """Seconds that a container which ended must still wait; counts the restart when the wait is over."""
        name = container["name"]
        current = self.record.latest(name)
        if current is None or current.state != EXITED:
            return 0
        host, key = self.host, f"{self.uid}/{name}"
        ended = current.finished_at / 1e9
        if (left := host.backoff.remaining(key, ended)) > 0:
            delay = host.backoff.delay(key)
            text = f"{int(delay // 60)}m{int(delay % 60)}s" if delay >= 60 else f"{int(delay)}s"
            message = f"back-off {text} restarting failed container={name} pod={full_name(self.pod)}"
            if self._waiting.get(name, ("", ""))[0] != "CrashLoopBackOff":
                where = field_path(self.pod, name)
                words = f"Back-off restarting failed container {name} in pod {full_name(self.pod)}"
                host.event(self.pod, "Warning", "BackOff", words, where)
            self._waiting[name] = ("CrashLoopBackOff", message)
            return left
        host.backoff.raise_delay(key, ended)
        return 0

    async def _restart(self, stop: Stop) -> None:
        """Stop a container that the next step will start again."""
        grace = self._grace_of(self.pod)
        if stop.container is not None and stop.probe:
            own = self._prober.grace_of(stop.container, stop.probe)
            grace = grace if own is None else own
        address = self._address()
        await self._stopper.stop_container(self.pod, stop.record, stop.container, address, grace, stop.message)
        self._wake.set()

    async def _pull_secrets(self) -> list[dict[str, Any]]:
        references = self.pod["spec"].get("imagePullSecrets") or []
        found = [
            await self.host.lookup("Secret", self.pod["metadata"]["namespace"], each.get("name", ""))
            for each in references
        ]
        return [each for each in found if each is not None]

    # ---- ending

    async def _end(self) -> float | None:
        host = self.host
        if not self.ended:
            self.record = await host.reader.read(self.uid)
            self._prober.stop_kinds(LIVENESS, STARTUP)
            self._grace = self._grace_of(self.pod)
            try:
                if not self.removed:
                    await self._leave_services()
                    self._grace = self._grace_of(self.pod)
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
                await self._until_reported()
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
        known = {each["type"]: each["status"] for each in self._known_status().get("conditions") or []}
        self._report()
        if self._failure == SHUT_DOWN and known.get("Ready") == "True":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NOTICE):
                    await self.host.statuses.flush(self.uid)
            await asyncio.sleep(min(NOTICE, self._left() / 2))

    def _left(self) -> float:
        """Seconds of a shutdown that are the pod's."""
        assert self._shut_down_by is not None
        return max(self._shut_down_by - asyncio.get_running_loop().time(), 0)

    async def _until_reported(self) -> None:
        """Give the final status a little time; an API that is away must not keep volumes mounted for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self.host.statuses.flush(self.uid)

    def _grace_of(self, pod: Pod) -> float:
        deletion = pod["metadata"].get("deletionGracePeriodSeconds")
        if self._failure and self._failure[0] == "Evicted" and deletion is None:
            return 1
        grace = deletion if deletion is not None else pod["spec"].get("terminationGracePeriodSeconds")
        wanted = 30 if grace is None else float(grace)
        return wanted if self._shut_down_by is None else min(wanted, self._left())

    # ---- reporting

    def _address(self) -> str:
        sandbox = self.record.sandbox
        return sandbox.addresses[0] if sandbox and sandbox.addresses else self.host.node_ip

    def _probe(self) -> None:
        spec = self.pod["spec"]
        wanted = {each["name"]: each for key in ("initContainers", "containers") for each in spec.get(key) or []}
        running = [each for each in self.record.containers if each.state == RUNNING]
        old = {each["name"]: each for each in (self.pod.get("status") or {}).get("containerStatuses") or []}
        for each in running:
            if container := wanted.get(each.name):
                before = old.get(each.name, {})
                survived = each.started_at / 1e9 < self.host.started_at and before.get("containerID", "").endswith(
                    each.id
                )
                self._prober.watch(
                    container,
                    each.id,
                    self._address(),
                    each.started_at / 1e9,
                    was_ready=survived and bool(before.get("ready")),
                    was_started=survived and bool(before.get("started")),
                )
        self._prober.keep({each.id for each in running})

    def _report(self, ending: bool = False) -> None:
        seen = Observation(
            waiting={} if ending else self._waiting,
            ready=self._prober.ready,
            started=self._prober.started,
            host_ip=self.host.node_ip,
            ending=ending,
            failed=self._failure if ending or not self.record.running else None,
            disrupted=self._failure[1] if self._failure == SHUT_DOWN else "",
        )
        known = {**self.pod, "status": self._known_status()}
        status = pod_status(known, self.record, seen)
        if self._seen_at is not None and status.get("phase") != "Pending":
            instruments.POD_STARTS.observe(time.monotonic() - self._seen_at)
            self._seen_at = None
        self.host.statuses.put(self.pod, status)

    def _known_status(self) -> dict[str, Any]:
        """The API's status with what was reported since; the conditions that others set are the API's."""
        seen = self.pod.get("status") or {}
        reported = self.host.statuses.current(self.uid)
        if reported is None:
            return seen
        own = [each for each in reported.get("conditions") or [] if each["type"] in OWN_CONDITIONS]
        others = [each for each in seen.get("conditions") or [] if each["type"] not in OWN_CONDITIONS]
        known = {**seen, **reported, "conditions": own + others}
        if seen.get("phase") in ("Succeeded", "Failed"):
            known["phase"] = seen["phase"]
        return known

    def _probe_event(self, kind: str, reason: str, message: str, container: str) -> None:
        self.host.event(self.pod, kind, reason, message, field_path(self.pod, container))
