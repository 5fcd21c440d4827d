"""The kinds of the scheduling.k8s.io group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, Strategy, forbidden, not_supported

Object = dict[str, Any]

_HIGHEST = 1_000_000_000
_SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_POLICIES = ["Never", "PreemptLowerPriority"]


class PriorityClassStrategy(Strategy):
    """Priority classes."""

    def default(self, obj: Object) -> None:
        """Pods of it make room for themselves."""
        if obj.get("preemptionPolicy") is None:
            obj["preemptionPolicy"] = "PreemptLowerPriority"
        if obj.get("value") is None:
            obj["value"] = 0

    def validate(self, obj: Object) -> list[FieldError]:
        """The system's names and values are its own."""
        name, value = obj["metadata"].get("name") or "", obj.get("value") or 0
        found: list[FieldError] = []
        if name.startswith("system-"):
            if _SYSTEM.get(name) != value:
                message = (
                    "priority class names with 'system-' prefix are reserved for system use only. error: "
                    f"{name} is not a known system priority class"
                )
                found.append(forbidden("metadata.name", message))
        elif value > _HIGHEST:
            message = f"maximum allowed value of a user defined priority is {_HIGHEST}"
            found.append(forbidden("value", message))
        if obj.get("preemptionPolicy") not in _POLICIES:
            found.append(not_supported("preemptionPolicy", obj.get("preemptionPolicy"), _POLICIES))
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Pods carry the value: it stays."""
        found: list[FieldError] = []
        if (obj.get("value") or 0) != (old.get("value") or 0):
            found.append(forbidden("value", "may not be changed in an update."))
        if obj.get("preemptionPolicy") != (old.get("preemptionPolicy") or "PreemptLowerPriority"):
            found.append(forbidden("preemptionPolicy", "may not be changed in an update."))
        return found


STRATEGIES: dict[str, Strategy] = {"priorityclasses": PriorityClassStrategy()}
