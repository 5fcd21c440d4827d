"""Whether a pod that was bound to this machine fits on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kprov.kube.kubelet.pods.resources import amount, is_sidecar, pod_requests

Pod = dict[str, Any]

_SHOWN = {"cpu": "cpu", "memory": "memory", "ephemeral-storage": "ephemeral-storage"}


# these are the pod's own affair: the kernel keeps them apart by namespace
SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    }
)


def forbidden_sysctl(pod: Pod, allowed: Iterable[str]) -> tuple[str, str] | None:
    """Why the pod's sysctls are refused, or None; ``allowed`` has names and prefixes such as ``net.core.*``."""
    allowed = list(allowed)
    for entry in (pod["spec"].get("securityContext") or {}).get("sysctls") or []:
        name = entry["name"].replace("/", ".")
        listed = any(name == each or (each.endswith("*") and name.startswith(each[:-1])) for each in allowed)
        if name not in SAFE_SYSCTLS and not listed:
            return "SysctlForbidden", f"Pod was rejected: forbidden sysctl: {name!r} not allowlisted"
    return None


def refusal(
    pod: Pod, others: Iterable[Pod], allocatable: dict[str, int], node: dict[str, Any] | None
) -> tuple[str, str] | None:
    """Why the pod cannot run beside ``others``: (reason, message) as upstream words it, or None."""
    others = list(others)
    if len(others) + 1 > allocatable.get("pods", 110):
        return _insufficient("pods", 1, len(others), allocatable.get("pods", 110))
    used: dict[str, int] = {}
    for other in others:
        for name, number in pod_requests(other).items():
            used[name] = used.get(name, 0) + number
    extended = ((node or {}).get("status") or {}).get("allocatable") or {}
    for name, number in pod_requests(pod).items():
        capacity = allocatable.get(name)
        if "/" in name:
            if name not in extended:  # the scheduler's business: some are counted by others than the node
                continue
            capacity = amount(name, extended[name])
        if capacity is None and not name.startswith("hugepages-"):
            continue
        if number and used.get(name, 0) + number > (capacity or 0):
            return _insufficient(name, number, used.get(name, 0), capacity or 0)
    taken = {port for other in others for port in _host_ports(other)}
    if any(_collides(port, taken) for port in _host_ports(pod)):
        return (
            "NodePorts",
            "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
        )
    selector = pod["spec"].get("nodeSelector") or {}
    labels = ((node or {}).get("metadata") or {}).get("labels")
    if labels is not None and any(labels.get(key) != value for key, value in selector.items()):
        return (
            "NodeAffinity",
            "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        )
    return None


def _insufficient(name: str, wanted: int, used: int, capacity: int) -> tuple[str, str]:
    return (
        f"OutOf{name}",
        f"Pod was rejected: Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, "
        f"capacity: {capacity}",
    )


def _host_ports(pod: Pod) -> list[tuple[str, str, int]]:
    spec = pod["spec"]
    sidecars = [each for each in spec.get("initContainers") or [] if is_sidecar(each)]
    return [
        (port.get("hostIP") or "0.0.0.0", port.get("protocol", "TCP"), int(port["hostPort"]))  # noqa: S104
        for container in [*spec["containers"], *sidecars]
        for port in container.get("ports") or []
        if port.get("hostPort")
    ]


def _collides(port: tuple[str, str, int], taken: set[tuple[str, str, int]]) -> bool:
    everywhere = "0.0.0.0"  # noqa: S104
    address, protocol, number = port
    return any(
        (protocol, number) == (other[1], other[2]) and (address == other[0] or everywhere in (address, other[0]))
        for other in taken
    )
