"""The probes of one pod's running containers, each on its own clock."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.probes.checks import Checker
from kprov.kube.kubelet.probes.counts import FAILED, SUCCESSFUL, UNKNOWN, ProbeCounts

log = logging.getLogger(__name__)

STARTUP, READINESS, LIVENESS = "startup", "readiness", "liveness"
KINDS = (STARTUP, LIVENESS, READINESS)
# (event type, reason, message, container name)
Report = Callable[[str, str, str, str], None]


@dataclass(slots=True)
class _Probed:
    """What is known of one container."""

    name: str
    started: bool
    results: dict[str, bool] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)


class Prober:
    """Keeps probe tasks in step with a pod's containers, and remembers what they found."""

    def __init__(self, checker: Checker, changed: Callable[[], None], report: Report, counts: ProbeCounts) -> None:
        """``changed`` is called whenever a result changes, ``report`` for events; ``counts`` are the pod's."""
        self._checker, self._changed, self._report, self._counts = checker, changed, report, counts
        self._containers: dict[str, _Probed] = {}

    def watch(
        self,
        container: dict[str, Any],
        container_id: str,
        address: str,
        started_at: float,
        *,
        was_ready: bool = False,
        was_started: bool = False,
    ) -> None:
        """Probe this container from now on; ``was_ready`` and ``was_started`` are the API's from before a restart."""
        if container_id in self._containers:
            return
        state = _Probed(container["name"], started=was_started or "startupProbe" not in container)
        self._containers[container_id] = state
        if was_ready and "readinessProbe" in container:
            state.results[READINESS] = True
        for kind in KINDS:
            if (probe := container.get(f"{kind}Probe")) and not (kind == STARTUP and state.started):
                work = self._run(kind, probe, container, container_id, address, started_at, state)
                state.tasks[kind] = asyncio.create_task(work, name=f"{kind} probe of {container['name']}")

    def keep(self, running: set[str]) -> None:
        """Stop probing containers that are not in ``running``."""
        for container_id in [known for known in self._containers if known not in running]:
            for task in self._containers.pop(container_id).tasks.values():
                task.cancel()

    def close(self) -> None:
        """Stop all, and forget what was counted: the pod has ended."""
        self.keep(set())
        self._counts.forget()

    def stop_kinds(self, *kinds: str) -> None:
        """Stop probes of these kinds: a pod that ends is not restarted for failing."""
        for state in self._containers.values():
            for kind in kinds:
                if task := state.tasks.pop(kind, None):
                    task.cancel()

    def started(self, container_id: str) -> bool:
        """Whether the startup probe passed, or there is none."""
        return (state := self._containers.get(container_id)) is not None and state.started

    def ready(self, container: dict[str, Any], container_id: str) -> bool:
        """Whether the container can serve."""
        state = self._containers.get(container_id)
        if state is None or not state.started:
            return False
        return "readinessProbe" not in container or state.results.get(READINESS, False)

    def failed(self, container_id: str) -> str | None:
        """The kind of probe (startup, liveness) for which the container must be restarted, or None."""
        if state := self._containers.get(container_id):
            for kind in (LIVENESS, STARTUP):
                if state.results.get(kind) is False:
                    return kind
        return None

    def grace_of(self, container: dict[str, Any], kind: str) -> int | None:
        """The probe's own grace period for restarting its container."""
        value = (container.get(f"{kind}Probe") or {}).get("terminationGracePeriodSeconds")
        return None if value is None else int(value)

    async def _run(
        self,
        kind: str,
        probe: dict[str, Any],
        container: dict[str, Any],
        container_id: str,
        address: str,
        started_at: float,
        state: _Probed,
    ) -> None:
        period = float(probe.get("periodSeconds") or 10)
        passes_needed, failures_needed = (
            int(probe.get("successThreshold") or 1),
            int(probe.get("failureThreshold") or 3),
        )
        initial = float(probe.get("initialDelaySeconds") or 0)
        first = min(started_at + initial - time.time(), initial)  # the time may have been set back since it started
        # containers that were found running (a restarted kubelet) are not probed all in one moment
        await asyncio.sleep(max(first, random.uniform(0, min(period, 1)) if started_at < time.time() - 10 else 0))
        streak, last = 0, None
        while True:
            if kind != STARTUP and not state.started:
                await asyncio.sleep(min(period, 0.2))
                continue
            begun = time.monotonic()
            passed, output = await self._once(kind, probe, container, container_id, address)
            streak = streak + 1 if passed is last else 1
            last = passed
            if not passed:
                self._report("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {output}", container["name"])
            if streak >= (passes_needed if passed else failures_needed):
                known = state.results.get(kind)
                # one failure is enough for readiness that never was
                if known is not passed:
                    state.results[kind] = passed
                    if kind == STARTUP and passed:
                        state.started = True
                    self._changed()
                if kind == STARTUP or (kind == LIVENESS and not passed):
                    return
            await asyncio.sleep(max(period - (time.monotonic() - begun), 0.01))

    async def _once(
        self, kind: str, probe: dict[str, Any], container: dict[str, Any], container_id: str, address: str
    ) -> tuple[bool, str]:
        name, began = container["name"], time.monotonic()
        for _ in range(3):  # a runtime that hiccups is not a container that is ill
            try:
                passed, output = await self._checker.check(probe, container, container_id, address)
            except RuntimeFailure as failure:
                output = failure.message
                continue
            except ValueError as error:
                passed, output = False, str(error)
            self._counts.probed(kind, name, SUCCESSFUL if passed else FAILED, time.monotonic() - began)
            return passed, output
        self._counts.probed(kind, name, UNKNOWN, time.monotonic() - began)
        log.warning("%s probe of container %s could not run: %s", kind, container["name"], output)
        return False, output
