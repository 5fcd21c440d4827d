"""The conditions of a pod that are the kubelet's to say."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock
from kprov.kube.kubelet.pods import resources
from kprov.kube.kubelet.pods.records import PodRecord

Pod = dict[str, Any]
Status = dict[str, Any]

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def conditions(pod: Pod, record: PodRecord, status: Status, done: bool, disrupted: str = "") -> list[Status]:
    """The kubelet's conditions beside those that others set; ``disrupted``: why the kubelet ends the pod."""
    spec, phase = pod["spec"], status["phase"]
    finished = phase in ("Succeeded", "Failed")
    names = [each["name"] for each in status["containerStatuses"] if not each["ready"]]
    sidecars = {each["name"] for each in spec.get("initContainers") or [] if resources.is_sidecar(each)}
    names += [
        each["name"]
        for each in status.get("initContainerStatuses") or []
        if each["name"] in sidecars and not each["ready"]
    ]
    not_initialized = [
        each["name"]
        for each in status.get("initContainerStatuses") or []
        if not each["ready"] and each["name"] not in sidecars
    ]
    because: tuple[str, str] | None = None
    if finished:
        because = ("PodCompleted", "") if phase == "Succeeded" else ("PodFailed", "")
    elif names:
        because = ("ContainersNotReady", f"containers with unready status: [{' '.join(names)}]")
    elif disrupted:
        because = ("PodFailed", "")
    containers_ready = _condition("ContainersReady", because is None, *(because or ("", "")))
    gates = spec.get("readinessGates") or []
    others = {each["type"]: each for each in (pod.get("status") or {}).get("conditions") or []}
    missing = [gate["conditionType"] for gate in gates if others.get(gate["conditionType"], {}).get("status") != "True"]
    if because is None and missing:
        text = "; ".join(
            f'corresponding condition of pod readiness gate "{name}" does not exist.'
            if name not in others
            else f'the status of pod readiness gate "{name}" is not "True", but False'
            for name in missing
        )
        ready = _condition("Ready", False, "ReadinessGatesNotReady", text)
    else:
        ready = {**containers_ready, "type": "Ready"}
    if done or phase == "Succeeded":
        init = _condition("Initialized", True, "PodCompleted" if phase == "Succeeded" else "", "")
    else:
        init = _condition(
            "Initialized",
            False,
            "ContainersNotInitialized",
            f"containers with incomplete status: [{' '.join(not_initialized)}]",
        )
    sandbox = record.sandbox
    up = bool(sandbox and sandbox.ready and (sandbox.addresses or sandbox.host_network))
    own = [
        _condition("PodReadyToStartContainers", up, "", ""),
        init,
        ready,
        containers_ready,
        _condition("PodScheduled", True, "", ""),
    ]
    if disrupted:
        own.append(_condition("DisruptionTarget", True, "TerminationByKubelet", disrupted))
    moment = clock.now()
    for condition in own:
        before = others.pop(condition["type"], None)
        if before and before.get("status") == condition["status"]:
            condition["lastTransitionTime"] = before.get("lastTransitionTime") or moment
        else:
            condition["lastTransitionTime"] = moment
    return own + list(others.values())


def _condition(kind: str, holds: bool, reason: str, message: str) -> Status:
    found: Status = {
        "type": kind,
        "status": "True" if holds else "False",
        "lastProbeTime": None,
        "lastTransitionTime": None,
    }
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found
