"""The kinds of the coordination.k8s.io group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, Strategy, invalid

Object = dict[str, Any]


class LeaseStrategy(Strategy):
    """Leases."""

    def validate(self, obj: Object) -> list[FieldError]:
        """Times that pass."""
        spec = obj.get("spec") or {}
        found: list[FieldError] = []
        seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if seconds is not None and seconds <= 0:
            found.append(invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
        if transitions is not None and transitions < 0:
            found.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
        return found


STRATEGIES: dict[str, Strategy] = {"leases": LeaseStrategy()}
