"""What a pod asks for: its effective requests, as upstream's resource helpers add them up.

Containers run together, so they add up; init containers run one after another, so the largest counts, except
restartable ones (sidecars), which stay; overhead comes on top; pod-level requests win over the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kprov.kube.api import quantity

Amounts = dict[str, int]


def amount(resource: str, text: str | int | float) -> int:
    """A quantity in the unit that the resource is counted in: thousandths for cpu, whole ones for everything else."""
    return quantity.milli(text) if resource == "cpu" else quantity.value(text)


def amounts(resources: Mapping[str, Any] | None) -> Amounts:
    """A resource list in countable units."""
    return {name: amount(name, text) for name, text in (resources or {}).items()}


def _of(container: Mapping[str, Any], field: str) -> Amounts:
    return amounts((container.get("resources") or {}).get(field))


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, number in more.items():
        total[name] = total.get(name, 0) + number


def _raise_to(total: Amounts, least: Mapping[str, int]) -> None:
    for name, number in least.items():
        if number > total.get(name, 0):
            total[name] = number


def _aggregate(pod_spec: Mapping[str, Any], field: str) -> Amounts:
    total: Amounts = {}
    for container in pod_spec.get("containers") or ():
        _add(total, _of(container, field))
    sidecars: Amounts = {}
    peak: Amounts = {}
    inits: Iterable[Mapping[str, Any]] = pod_spec.get("initContainers") or ()
    for container in inits:
        wanted = _of(container, field)
        if container.get("restartPolicy") == "Always":
            _add(total, wanted)
            _add(sidecars, wanted)
            _raise_to(peak, sidecars)
        else:
            together = dict(sidecars)
            _add(together, wanted)
            _raise_to(peak, together)
    _raise_to(total, peak)
    pod_level = amounts((pod_spec.get("resources") or {}).get(field))
    total.update({name: number for name, number in pod_level.items() if name in ("cpu", "memory")})
    return total


def pod_requests(pod_spec: Mapping[str, Any]) -> Amounts:
    """What a pod's place on a node costs: cpu in thousandths, memory and others in whole units."""
    total = _aggregate(pod_spec, "requests")
    _add(total, amounts(pod_spec.get("overhead")))
    return total


def pod_limits(pod_spec: Mapping[str, Any]) -> Amounts:
    """The most that a pod may use, where it says so; overhead is added to resources that have a limit."""
    total = _aggregate(pod_spec, "limits")
    for name, number in amounts(pod_spec.get("overhead")).items():
        if total.get(name):
            total[name] += number
    return total
