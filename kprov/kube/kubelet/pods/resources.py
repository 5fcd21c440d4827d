"""What pods ask of the machine: requests, limits, quality of service, and what the kernel is told about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kprov.kube.api import quantity

Pod = dict[str, Any]

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
MIN_SHARES, MAX_SHARES = 2, 262144
MIN_QUOTA = 1000
SYSTEM_CRITICAL_PRIORITY = 2_000_000_000


def amount(resource: str, text: str | int | float) -> int:
    """A quantity as an integer: millicores for cpu, whole units for all else."""
    return quantity.milli(text) if resource == "cpu" else quantity.value(text)


def is_sidecar(container: dict[str, Any]) -> bool:
    """Whether an init container stays up beside the pod's containers."""
    return container.get("restartPolicy") == "Always"


def requests_of(container: dict[str, Any]) -> dict[str, int]:
    """A container's requests; a limit without request counts as one, as the API server defaults it."""
    stated = container.get("resources") or {}
    wanted = {**(stated.get("limits") or {}), **(stated.get("requests") or {})}
    return {name: amount(name, text) for name, text in wanted.items()}


def limits_of(container: dict[str, Any]) -> dict[str, int]:
    """A container's limits."""
    stated = (container.get("resources") or {}).get("limits") or {}
    return {name: amount(name, text) for name, text in stated.items()}


def pod_requests(pod: Pod) -> dict[str, int]:
    """What a pod needs at its worst moment: its containers, or one init container with the sidecars before it."""
    return _aggregate(pod, requests_of)


def pod_limits(pod: Pod) -> dict[str, int]:
    """The sum of the limits; a resource that some container leaves open is left out."""
    spec = pod["spec"]
    totals = _aggregate(pod, limits_of)
    everyone = [*spec["containers"], *(spec.get("initContainers") or [])]
    return {name: total for name, total in totals.items() if all(name in limits_of(each) for each in everyone)}


def _aggregate(pod: Pod, of: Any) -> dict[str, int]:
    spec = pod["spec"]
    total = _sum(of(container) for container in spec["containers"])
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.get("initContainers") or []:
        if is_sidecar(container):
            sidecars = _sum([sidecars, of(container)])
            moment = sidecars
        else:
            moment = _sum([sidecars, of(container)])
        peak = {name: max(peak.get(name, 0), moment.get(name, 0)) for name in {*peak, *moment}}
    total = _sum([total, sidecars])
    total = {name: max(total.get(name, 0), peak.get(name, 0)) for name in {*total, *peak}}
    overhead = {name: amount(name, text) for name, text in (spec.get("overhead") or {}).items()}
    return _sum([total, overhead])


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, number in part.items():
            total[name] = total.get(name, 0) + number
    return total


def qos_class(pod: Pod) -> str:
    """Guaranteed, Burstable or BestEffort, from cpu and memory of all containers."""
    if known := (pod.get("status") or {}).get("qosClass"):
        return str(known)
    containers = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]
    requests: dict[str, int] = {}
    guaranteed = True
    for container in containers:
        wanted = {
            name: number for name, number in requests_of(container).items() if name in ("cpu", "memory") and number
        }
        limits = {name: number for name, number in limits_of(container).items() if name in ("cpu", "memory") and number}
        requests |= wanted
        if set(limits) != {"cpu", "memory"} or wanted != limits:
            guaranteed = False
    if not requests:
        return BEST_EFFORT
    return GUARANTEED if guaranteed else BURSTABLE


def cpu_shares(milli: int) -> int:
    """The kernel's shares for so many millicores."""
    return min(max(milli * 1024 // 1000, MIN_SHARES), MAX_SHARES)


def cpu_quota(milli: int, period: float) -> int:
    """Microseconds of cpu in each period (in seconds) for so many millicores; 0 is no limit."""
    return max(int(milli * period * 1000), MIN_QUOTA) if milli else 0


def is_critical(pod: Pod) -> bool:
    """Whether the pod's priority is one of the system's own."""
    return int(pod["spec"].get("priority") or 0) >= SYSTEM_CRITICAL_PRIORITY


def oom_score_adjustment(pod: Pod, container: dict[str, Any], memory_capacity: int) -> int:
    """How early the kernel should kill this container when memory runs out."""
    if is_critical(pod):
        return -997
    match qos_class(pod):
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
    wanted = requests_of(container).get("memory", 0)
    score = 1000 - 1000 * wanted // max(memory_capacity, 1)
    return min(max(score, 3), 999)
