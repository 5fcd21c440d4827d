"""The Node object: made at registration, kept true afterwards."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import Any

from kprov import __version__
from kprov.kube.api import clock
from kprov.kube.kubelet.node import facts
from kprov.kube.kubelet.node.capacity import Capacity, Pressure

Node = dict[str, Any]

KUBELET_VERSION = f"v1.32.0+kprov.{__version__}"
MAX_IMAGES = 50


@dataclass(slots=True)
class NodeSettings:
    """What the flags and the configuration say about the node."""

    name: str
    addresses: list[str]
    hostname: str
    port: int
    labels: dict[str, str] = field(default_factory=dict)
    taints: list[dict[str, str]] = field(default_factory=list)
    register: bool = True


def default_labels(settings: NodeSettings) -> dict[str, str]:
    """The labels that every node has, and the flag's."""
    architecture = facts.architecture()
    return {
        "kubernetes.io/hostname": settings.hostname,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture,
        **settings.labels,
    }


def node_info(runtime_version: str) -> dict[str, str]:
    """The facts about the machine's software."""
    return {
        "machineID": facts.machine_id(),
        "systemUUID": facts.system_uuid(),
        "bootID": facts.boot_id(),
        "kernelVersion": platform.release(),
        "osImage": facts.os_image(),
        "containerRuntimeVersion": runtime_version,
        "kubeletVersion": KUBELET_VERSION,
        "kubeProxyVersion": KUBELET_VERSION,
        "operatingSystem": "linux",
        "architecture": facts.architecture(),
    }


def node_object(settings: NodeSettings, status: dict[str, Any]) -> Node:
    """The object to register."""
    found: Node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": settings.name,
            "labels": default_labels(settings),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": {},
        "status": status,
    }
    if settings.taints:
        found["spec"]["taints"] = settings.taints
    return found


def node_status(
    settings: NodeSettings,
    capacity: Capacity,
    info: dict[str, str],
    conditions: list[dict[str, Any]],
    images: list[dict[str, Any]],
) -> dict[str, Any]:
    """The status as the API keeps it."""
    return {
        "addresses": [
            *({"type": "InternalIP", "address": address} for address in settings.addresses),
            {"type": "Hostname", "address": settings.hostname},
        ],
        "capacity": capacity.render(capacity.total),
        "allocatable": capacity.render(capacity.allocatable),
        "conditions": conditions,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": settings.port}},
        "nodeInfo": info,
        "images": images,
    }


def node_conditions(old: list[dict[str, Any]], problems: list[str], pressure: Pressure) -> list[dict[str, Any]]:
    """The kubelet's four conditions, with transition times carried over, and those that others set."""
    now = clock.now()
    states = [
        (
            "MemoryPressure",
            bool(pressure.memory),
            "KubeletHasInsufficientMemory",
            "KubeletHasSufficientMemory",
            "kubelet has insufficient memory available",
            "kubelet has sufficient memory available",
        ),
        (
            "DiskPressure",
            bool(pressure.disk),
            "KubeletHasDiskPressure",
            "KubeletHasNoDiskPressure",
            "kubelet has disk pressure",
            "kubelet has no disk pressure",
        ),
        (
            "PIDPressure",
            bool(pressure.processes),
            "KubeletHasInsufficientPID",
            "KubeletHasSufficientPID",
            "kubelet has insufficient PID available",
            "kubelet has sufficient PID available",
        ),
    ]
    found = [
        {
            "type": kind,
            "status": "True" if bad else "False",
            "reason": worse if bad else well,
            "message": worse_text if bad else text,
        }
        for kind, bad, worse, well, worse_text, text in states
    ]
    if problems:
        found.append({"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": ", ".join(problems)})
    else:
        found.append(
            {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
        )
    before = {condition["type"]: condition for condition in old}
    for condition in found:
        known = before.pop(condition["type"], None)
        same = known is not None and known.get("status") == condition["status"]
        condition["lastHeartbeatTime"] = now
        condition["lastTransitionTime"] = known["lastTransitionTime"] if same and known else now
    return [*before.values(), *found]


def node_images(images: list[Any]) -> list[dict[str, Any]]:
    """The images as a node lists them: the largest first, at most fifty, at most five names each."""
    largest = sorted(images, key=lambda image: image.size, reverse=True)[:MAX_IMAGES]
    return [{"names": [*image.repo_digests, *image.repo_tags][:5], "sizeBytes": image.size} for image in largest]


def is_extended(resource: str) -> bool:
    """Whether a resource is one that Kubernetes itself knows nothing of: its name has a domain, and not Kubernetes'."""
    return "/" in resource and "kubernetes.io/" not in resource and not resource.startswith("requests.")


def extended(old: dict[str, Any]) -> dict[str, str | None]:
    """What pods may use of resources that others have written into the node's capacity.

    As upstream's kubelet: all of it; and what is no longer in the capacity (null here) pods may no longer use.
    """
    capacity, allocatable = old.get("capacity") or {}, old.get("allocatable") or {}
    found: dict[str, str | None] = {name: None for name in allocatable if is_extended(name) and name not in capacity}
    return found | {name: amount for name, amount in capacity.items() if is_extended(name)}


def changed(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether the API must be told before the next report is due: heartbeats alone do not count."""

    def essence(status: dict[str, Any]) -> dict[str, Any]:
        kept = {key: status.get(key) for key in ("addresses", "daemonEndpoints", "nodeInfo", "images")}
        capacity, allocatable = status.get("capacity") or {}, status.get("allocatable") or {}
        kept["capacity"] = {name: amount for name, amount in capacity.items() if not is_extended(name)}
        kept["allocatable"] = {name: amount for name, amount in allocatable.items() if amount is not None}
        kept["conditions"] = sorted(
            (each["type"], each["status"], each.get("reason", ""), each.get("message", ""))
            for each in status.get("conditions") or []
        )
        info = kept.get("nodeInfo")
        return {**kept, "nodeInfo": {key: value for key, value in (info or {}).items() if value}}

    return essence(old) != essence(new)
