"""Columns of pods: above all, the one word that says how a pod is."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.columns.table import (
    Cells,
    Columns,
    Object,
    age,
    columns,
    containers_and_images,
    human_duration,
    labels_text,
    name,
    or_none,
    seconds_of,
)


def _state(status: Object) -> tuple[Object | None, Object | None, Object | None]:
    """A container's waiting, running and terminated state."""
    state = status.get("state") or {}
    return state.get("waiting"), state.get("running"), state.get("terminated")


def _ended(terminated: Object, prefix: str = "") -> str:
    """How a container ended."""
    if terminated.get("reason"):
        return f"{prefix}{terminated['reason']}"
    if terminated.get("signal"):
        return f"{prefix}Signal:{terminated['signal']}"
    return f"{prefix}ExitCode:{terminated.get('exitCode') or 0}"


class _Summary:
    """What a pod's statuses come to."""

    def __init__(self, pod: Object) -> None:
        self.pod, self.spec, self.status = pod, pod.get("spec") or {}, pod.get("status") or {}
        self.sidecars = {
            each["name"] for each in self.spec.get("initContainers") or () if each.get("restartPolicy") == "Always"
        }
        self.ready = self.restarts = self._sidecar_restarts = 0
        self.total = len(self.spec.get("containers") or ()) + len(self.sidecars)
        self.last_restart = self._last_sidecar_restart = 0.0
        self.word = self.status.get("reason") or self.status.get("phase") or ""
        if self._condition("PodScheduled", "reason") == "SchedulingGated":
            self.word = "SchedulingGated"
        if not self._initializing() or self._condition("Initialized", "status") == "True":
            self._running()
        self._leaving()

    def _condition(self, kind: str, field: str) -> Any:
        conditions = self.status.get("conditions") or ()
        return next((each.get(field) for each in conditions if each.get("type") == kind), None)

    def _count(self, status: Object) -> None:
        self.restarts += status.get("restartCount") or 0
        ended = (status.get("lastState") or {}).get("terminated") or {}
        self.last_restart = max(self.last_restart, seconds_of(ended.get("finishedAt")) or 0.0)

    def _initializing(self) -> bool:
        for index, status in enumerate(self.status.get("initContainerStatuses") or ()):
            self._count(status)
            waiting, _, terminated = _state(status)
            sidecar = status.get("name") in self.sidecars
            if sidecar:
                self._sidecar_restarts += status.get("restartCount") or 0
                self._last_sidecar_restart = self.last_restart
            if terminated and not terminated.get("exitCode"):
                continue
            if sidecar and status.get("started"):
                self.ready += bool(status.get("ready"))
                continue
            if terminated:
                self.word = _ended(terminated, "Init:")
            elif waiting and waiting.get("reason") and waiting["reason"] != "PodInitializing":
                self.word = f"Init:{waiting['reason']}"
            else:
                self.word = f"Init:{index}/{len(self.spec.get('initContainers') or ())}"
            return True
        return False

    def _running(self) -> None:
        self.restarts, self.last_restart = self._sidecar_restarts, self._last_sidecar_restart
        any_running = False
        for status in reversed(self.status.get("containerStatuses") or []):
            self._count(status)
            waiting, running, terminated = _state(status)
            if waiting and waiting.get("reason"):
                self.word = waiting["reason"]
            elif terminated:
                self.word = _ended(terminated)
            elif status.get("ready") and running is not None:
                any_running = True
                self.ready += 1
        if self.word == "Completed" and any_running:
            self.word = "Running" if self._condition("Ready", "status") == "True" else "NotReady"

    def _leaving(self) -> None:
        if not self.pod["metadata"].get("deletionTimestamp"):
            return
        if self.status.get("reason") == "NodeLost":
            self.word = "Unknown"
        elif self.status.get("phase") not in ("Failed", "Succeeded"):
            self.word = "Terminating"


def _pod(pod: Object, now: float) -> Cells:
    summary = _Summary(pod)
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart:
        restarts += f" ({human_duration(now - summary.last_restart)} ago)"
    addresses = summary.status.get("podIPs") or []
    address = addresses[0].get("ip") if addresses else summary.status.get("podIP")
    return [
        name(pod),
        f"{summary.ready}/{summary.total}",
        summary.word,
        restarts,
        age(pod, now),
        or_none(address),
        or_none(summary.spec.get("nodeName")),
        or_none(summary.status.get("nominatedNodeName")),
        _gates(summary),
    ]


def _gates(summary: _Summary) -> str:
    gates = summary.spec.get("readinessGates") or []
    if not gates:
        return "<none>"
    conditions = {each.get("type"): each.get("status") for each in summary.status.get("conditions") or ()}
    good = sum(1 for gate in gates if conditions.get(gate.get("conditionType")) == "True")
    return f"{good}/{len(gates)}"


def _pod_template(obj: Object, now: float) -> Cells:
    template = obj.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    return [name(obj), *containers_and_images(template.get("spec") or {}), labels_text(labels)]


COLUMNS: dict[tuple[str, str], Columns] = {
    ("", "pods"): columns(
        "Name | Ready | Status | Restarts | Age | IP+ | Node+ | Nominated Node+ | Readiness Gates+", _pod
    ),
    ("", "podtemplates"): columns("Name | Containers | Images | Pod Labels", _pod_template),
}
