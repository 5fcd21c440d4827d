"""The kinds of the policy group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, Strategy, StrategyContext, invalid, not_supported
from kprov.kube.apiserver.strategy.fields import int_or_percent_errors, not_negative, selector_errors
from kprov.kube.apiserver.strategy.workloads import not_more_than_all

Object = dict[str, Any]

_EVICTION = ["AlwaysAllow", "IfHealthyBudget"]


class DisruptionBudgetStrategy(Strategy):
    """Pod disruption budgets."""

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Nothing may be disrupted before the controller has counted."""
        obj["status"] = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}

    def validate(self, obj: Object) -> list[FieldError]:
        """One of the two bounds, and a selector."""
        spec = obj.get("spec") or {}
        available, unavailable = spec.get("minAvailable"), spec.get("maxUnavailable")
        found: list[FieldError] = []
        if available is not None and unavailable is not None:
            found.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
        for field, value in (("minAvailable", available), ("maxUnavailable", unavailable)):
            if value is not None:
                found += int_or_percent_errors(value, f"spec.{field}") + not_more_than_all(value, f"spec.{field}")
        if spec.get("unhealthyPodEvictionPolicy") not in (None, *_EVICTION):
            where = "spec.unhealthyPodEvictionPolicy"
            found.append(not_supported(where, spec["unhealthyPodEvictionPolicy"], _EVICTION))
        return found + selector_errors(spec.get("selector"), "spec.selector")

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Counts that are ones."""
        status = obj.get("status") or {}
        return [
            error
            for field in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
            for error in not_negative(status.get(field), f"status.{field}")
        ]


STRATEGIES: dict[str, Strategy] = {"poddisruptionbudgets": DisruptionBudgetStrategy()}
