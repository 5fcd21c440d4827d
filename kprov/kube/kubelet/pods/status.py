"""The status that the kubelet reports for a pod, made of what is wanted and what runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kprov.kube.api import clock
from kprov.kube.kubelet.pods import resources
from kprov.kube.kubelet.pods.conditions import conditions
from kprov.kube.kubelet.pods.records import CREATED, EXITED, RUNNING, ContainerRecord, PodRecord

Pod = dict[str, Any]
Status = dict[str, Any]


@dataclass(slots=True)
class Observation:
    """What the status is made of, besides the pod and its record."""

    waiting: dict[str, tuple[str, str]] = field(default_factory=dict)  # container -> (reason, message)
    ready: Callable[[dict[str, Any], str], bool] = lambda container, container_id: True
    started: Callable[[str], bool] = lambda container_id: True
    host_ip: str = ""
    ending: bool = False  # nothing will be restarted any more
    failed: tuple[str, str] | None = None  # (reason, message): the pod failed as a whole
    disrupted: str = ""  # why the kubelet itself ends the pod: it serves nobody from now on


def container_status(
    container: dict[str, Any], record: PodRecord, seen: Observation, old: Status | None, default: str
) -> Status:
    """One entry of containerStatuses; ``default`` is what a container waits for that has not been tried."""
    name = container["name"]
    current, previous = record.latest(name), record.previous(name)
    waiting = seen.waiting.get(name)
    status: Status = {
        "name": name,
        "image": container.get("image", ""),
        "imageID": "",
        "restartCount": current.restarts if current else 0,
        "ready": False,
        "started": False,
        "state": {},
        "lastState": {},
    }
    if current is None:
        kept = old or {}
        if kept.get("containerID"):
            return _lost(status, kept, waiting, seen.ending)
        reason, message = waiting or (default, "")
        status["state"] = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        return status
    status["image"] = current.image or status["image"]
    status["imageID"] = current.image_ref
    status["containerID"] = f"containerd://{current.id}"
    match current.state:
        case state if state == RUNNING:
            status["state"] = {"running": {"startedAt": clock.from_nanoseconds(current.started_at)}}
            status["started"] = seen.started(current.id)
            status["ready"] = seen.ready(container, current.id) and not seen.ending
            if seen.ending:
                status["ready"] = seen.ready(container, current.id)
        case state if state == CREATED:
            status["state"] = {"waiting": {"reason": waiting[0] if waiting else "ContainerCreating"}}
            if waiting and waiting[1]:
                status["state"]["waiting"]["message"] = waiting[1]
        case state if state == EXITED:
            if waiting and not seen.ending:
                status["state"] = {"waiting": {"reason": waiting[0], "message": waiting[1]}}
                status["lastState"] = {"terminated": terminated(current)}
                return status
            status["state"] = {"terminated": terminated(current)}
        case _:
            status["state"] = {"waiting": {"reason": "ContainerStatusUnknown"}}
    if previous is not None and previous.state == EXITED:
        status["lastState"] = {"terminated": terminated(previous)}
    return status


def _lost(status: Status, old: Status, waiting: tuple[str, str] | None, ending: bool) -> Status:
    """The status of a container that ran once and that the runtime has forgotten (as after a wiped disk)."""
    status["restartCount"] = old.get("restartCount", 0)
    state = old.get("state") or {}
    if "terminated" in state and not waiting:
        return {
            **status,
            **{key: old[key] for key in ("state", "lastState", "imageID", "containerID", "image") if key in old},
        }
    gone = state.get("terminated") or {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated",
        "startedAt": None,
        "finishedAt": None,
    }
    if ending:
        status["state"] = {"terminated": gone}
    else:
        reason, message = waiting or ("ContainerCreating", "")
        status["state"] = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        status["lastState"] = {"terminated": gone}
    return status


def terminated(container: ContainerRecord) -> Status:
    """The terminated state of an exited container."""
    found: Status = {
        "exitCode": container.exit_code,
        "reason": container.reason or ("Completed" if container.exit_code == 0 else "Error"),
        "startedAt": clock.from_nanoseconds(container.started_at),
        "finishedAt": clock.from_nanoseconds(container.finished_at),
        "containerID": f"containerd://{container.id}",
    }
    if container.message:
        found["message"] = container.message
    return found


def phase_of(pod: Pod, record: PodRecord, init_done: bool, ending: bool) -> str:
    """Pending, Running, Succeeded or Failed."""
    spec = pod["spec"]
    policy = spec.get("restartPolicy", "Always")
    inits = [each for each in spec.get("initContainers") or [] if not resources.is_sidecar(each)]
    current = [record.latest(container["name"]) for container in spec["containers"]]
    if not init_done:
        failed = any(
            (latest := record.latest(each["name"])) and latest.state == EXITED and latest.exit_code for each in inits
        )
        if failed and (policy == "Never" or ending):
            return "Failed"
        if ending and not any(current):
            return "Failed" if record.sandboxes or record.containers or ending else "Pending"
        if not any(latest and latest.state == RUNNING for latest in current):
            return "Pending"
    waiting = [latest for latest in current if latest is None or latest.state == CREATED]
    running = [latest for latest in current if latest and latest.state not in (CREATED, EXITED)]
    stopped = [latest for latest in current if latest and latest.state == EXITED]
    failed_ones = [latest for latest in stopped if latest.exit_code]
    if waiting and not running and not stopped:
        return "Failed" if ending else "Pending"
    if waiting and not ending:
        return "Pending" if not running and not stopped else "Running"
    if running:
        return "Running"
    if ending:
        return "Failed" if failed_ones or waiting else "Succeeded"
    if policy == "Always":
        return "Running"
    if failed_ones:
        return "Failed" if policy == "Never" else "Running"
    return "Succeeded"


def initialized(pod: Pod, record: PodRecord, started: Callable[[str], bool]) -> bool:
    """Whether every init container did its part, or the pod's containers run already."""
    for container in pod["spec"].get("initContainers") or []:
        latest = record.latest(container["name"])
        if resources.is_sidecar(container):
            if latest is None or not (latest.state == RUNNING and started(latest.id)):
                return _main_ran(pod, record)
        elif latest is None or latest.state != EXITED or latest.exit_code != 0:
            return _main_ran(pod, record)
    return True


def _main_ran(pod: Pod, record: PodRecord) -> bool:
    return any(
        (latest := record.latest(each["name"])) and latest.state != CREATED for each in pod["spec"]["containers"]
    )


def pod_status(pod: Pod, record: PodRecord, seen: Observation) -> Status:
    """The whole status, with transition times carried over from what the API has."""
    spec, old = pod["spec"], pod.get("status") or {}
    done = initialized(pod, record, seen.started)
    phase = phase_of(pod, record, done, seen.ending)
    if old.get("phase") in ("Succeeded", "Failed"):
        phase = old["phase"]  # the end of a pod is not taken back
    if seen.failed and old.get("phase") != "Succeeded":
        phase = "Failed"
    old_statuses = {
        each["name"]: each for key in ("initContainerStatuses", "containerStatuses") for each in old.get(key) or []
    }
    has_inits = bool(spec.get("initContainers"))
    default = "ContainerCreating" if done else "PodInitializing"
    status: Status = {
        "phase": phase,
        "qosClass": resources.qos_class(pod),
        "startTime": old.get("startTime") or clock.now(),
        "hostIP": seen.host_ip,
        "hostIPs": [{"ip": seen.host_ip}],
        "containerStatuses": [
            container_status(each, record, seen, old_statuses.get(each["name"]), default) for each in spec["containers"]
        ],
    }
    if has_inits:
        status["initContainerStatuses"] = []
        for each in spec["initContainers"]:
            entry = container_status(each, record, seen, old_statuses.get(each["name"]), "PodInitializing")
            if not resources.is_sidecar(each):
                ended = entry["state"].get("terminated")
                entry["ready"] = bool(ended and ended["exitCode"] == 0)
            status["initContainerStatuses"].append(entry)
    if ephemeral := spec.get("ephemeralContainers"):
        status["ephemeralContainerStatuses"] = [
            container_status(each, record, seen, old_statuses.get(each["name"]), "ContainerCreating")
            for each in ephemeral
        ]
    addresses = _addresses(spec, record, seen, old)
    if addresses:
        status["podIP"] = addresses[0]
        status["podIPs"] = [{"ip": address} for address in addresses]
    reason, message = seen.failed or (old.get("reason", ""), old.get("message", ""))
    if reason:
        status["reason"] = reason
    if message:
        status["message"] = message
    status["conditions"] = conditions(pod, record, status, done, seen.disrupted)
    return status


def _addresses(spec: dict[str, Any], record: PodRecord, seen: Observation, old: Status) -> list[str]:
    if spec.get("hostNetwork"):
        return [seen.host_ip]
    if record.sandbox and record.sandbox.addresses:
        return record.sandbox.addresses
    if seen.ending or record.sandbox:
        return [each["ip"] for each in old.get("podIPs") or []]
    return []
