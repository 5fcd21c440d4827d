"""A pod's quality of service: Guaranteed, Burstable or BestEffort, from its requests and limits of CPU and memory."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.quantity import QuantityError, parse

_COUNTED = ("cpu", "memory")


def qos_class(spec: dict[str, Any]) -> str:
    """The class that a pod's containers put it into."""
    requested: dict[str, Any] = {}
    limited: dict[str, Any] = {}
    guaranteed = True
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        resources = container.get("resources") or {}
        for total, given in ((requested, resources.get("requests")), (limited, resources.get("limits"))):
            for name in _COUNTED:
                quantity = _positive((given or {}).get(name))
                if quantity:
                    total[name] = total.get(name, 0) + quantity
        if not all(_positive((resources.get("limits") or {}).get(name)) for name in _COUNTED):
            guaranteed = False
    if not requested and not limited:
        return "BestEffort"
    if guaranteed and requested == limited:
        return "Guaranteed"
    return "Burstable"


def _positive(quantity: Any) -> Any:
    if quantity is None:
        return 0
    try:
        return max(0, parse(quantity))
    except QuantityError:
        return 0
