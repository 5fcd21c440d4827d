"""The kinds of the autoscaling group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.autoscaler_metrics import behavior_errors, metric_errors, reference_errors
from kprov.kube.apiserver.strategy.base import FieldError, Strategy, StrategyContext, invalid

Object = dict[str, Any]

_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
_PERCENT = 80


class AutoscalerStrategy(Strategy):
    """Horizontal pod autoscalers, in the shape of v2."""

    def default(self, obj: Object) -> None:
        """At least one replica, and 80% of the requested CPU."""
        spec = obj.setdefault("spec", {})
        if spec.get("minReplicas") is None:
            spec["minReplicas"] = 1
        version = str(obj.get("apiVersion") or "").rpartition("/")[2]
        if version != "v1" and not spec.get("metrics"):
            target = {"type": "Utilization", "averageUtilization": _PERCENT}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
        behavior = spec.get("behavior")
        if behavior is not None:
            for field, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
                given = {key: value for key, value in (behavior.get(field) or {}).items() if value is not None}
                behavior[field] = {**rules, **given}

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Nothing has been measured yet."""
        obj["status"] = {"desiredReplicas": 0, "currentMetrics": None}

    def validate(self, obj: Object) -> list[FieldError]:
        """Bounds and target, metrics and behavior."""
        spec = obj.get("spec") or {}
        found: list[FieldError] = []
        least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
        if least is not None and least < 1:
            found.append(invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
        if most < 1:
            found.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
        if least is not None and most < least:
            found.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
        found += reference_errors(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
        found += metric_errors(spec.get("metrics"), "spec.metrics")
        return found + behavior_errors(spec.get("behavior"), "spec.behavior")


STRATEGIES: dict[str, Strategy] = {"horizontalpodautoscalers": AutoscalerStrategy()}
