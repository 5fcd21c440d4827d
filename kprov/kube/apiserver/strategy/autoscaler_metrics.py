"""Metrics and behavior of horizontal pod autoscalers, held against upstream's rules."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.quantity import QuantityError, parse
from kprov.kube.apiserver.strategy.base import FieldError, forbidden, invalid, not_supported, required
from kprov.kube.apiserver.strategy.fields import POSITIVE, selector_errors

Object = dict[str, Any]

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_TARGETS = ("Utilization", "Value", "AverageValue")
_SELECT = ["Disabled", "Max", "Min"]
_HOUR, _HALF_AN_HOUR = 3600, 1800


def metric_errors(metrics: Any, path: str) -> list[FieldError]:
    """What is wrong with the metrics that an autoscaler follows."""
    found: list[FieldError] = []
    for index, metric in enumerate(metrics or ()):
        here, kind = f"{path}[{index}]", metric.get("type") or ""
        if not kind:
            found.append(required(f"{here}.type", "must specify a metric source type"))
            continue
        field = _SOURCES.get(kind)
        if field is None:
            found.append(not_supported(f"{here}.type", kind, sorted(_SOURCES)))
            continue
        for other in _SOURCES.values():
            if other != field and metric.get(other) is not None:
                message = "must populate the given metric source only"
                found.append(forbidden(f"{here}.{other}", message))
        source = metric.get(field)
        if source is None:
            found.append(required(f"{here}.{field}", "must populate information for the given metric source"))
        else:
            found += _source_errors(kind, source, f"{here}.{field}")
    return found


def _source_errors(kind: str, source: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    target = source.get("target") or {}
    if kind in ("Resource", "ContainerResource"):
        if not source.get("name"):
            found.append(required(f"{path}.name", "must specify a resource name"))
        if kind == "ContainerResource" and not source.get("container"):
            found.append(required(f"{path}.container", "must specify a container"))
    else:
        metric = source.get("metric") or {}
        if not metric.get("name"):
            found.append(required(f"{path}.metric.name", "must specify a metric name"))
        found += selector_errors(metric.get("selector"), f"{path}.metric.selector")
    if kind == "Object":
        found += reference_errors(source.get("describedObject") or {}, f"{path}.describedObject")
    return found + _target_errors(kind, target, f"{path}.target")


def _target_errors(kind: str, target: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if not target.get("type"):
        found.append(required(f"{path}.type", "must specify a metric target type"))
    elif target["type"] not in _TARGETS:
        message = "must be either Utilization, Value, or AverageValue"
        found.append(invalid(f"{path}.type", target["type"], message))
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        found.append(invalid(f"{path}.averageUtilization", share, POSITIVE))
    for field in ("value", "averageValue"):
        if target.get(field) is not None and not _positive(target[field]):
            found.append(invalid(f"{path}.{field}", target[field], "must be positive"))
    average, value = target.get("averageValue") is not None, target.get("value") is not None
    if kind in ("Resource", "ContainerResource"):
        if share is None and not average:
            message = "must set either a target raw value or a target utilization"
            found.append(required(f"{path}.averageUtilization", message))
        elif share is not None and average:
            message = "may not set both a target raw value and a target utilization"
            found.append(forbidden(f"{path}.averageValue", message))
    elif kind == "Pods":
        if not average:
            found.append(required(f"{path}.averageValue", "must specify a positive target averageValue"))
    elif not average and not value:
        found.append(required(f"{path}.averageValue", "must set either a target value or averageValue"))
    elif kind == "External" and average and value:
        message = "may not set both a target value for metric and a per-pod target"
        found.append(forbidden(f"{path}.value", message))
    return found


def _positive(quantity: Any) -> bool:
    try:
        return parse(quantity) > 0
    except QuantityError:
        return False


def reference_errors(target: Object, path: str) -> list[FieldError]:
    """What is wrong with what names an object of a namespace by kind and name."""
    found: list[FieldError] = []
    for field in ("kind", "name"):
        value = target.get(field)
        if not value:
            found.append(required(f"{path}.{field}"))
        elif bad := next((letter for letter in "/%" if letter in value), None):
            found.append(invalid(f"{path}.{field}", value, f"may not contain '{bad}'"))
    return found


def behavior_errors(behavior: Object | None, path: str) -> list[FieldError]:
    """What is wrong with how fast an autoscaler may go up and down."""
    found: list[FieldError] = []
    for direction in ("scaleUp", "scaleDown"):
        rules, here = (behavior or {}).get(direction), f"{path}.{direction}"
        if not rules:
            continue
        seconds = rules.get("stabilizationWindowSeconds")
        if seconds is not None and seconds < 0:
            message = "must be greater than or equal to zero"
            found.append(invalid(f"{here}.stabilizationWindowSeconds", seconds, message))
        elif seconds is not None and seconds > _HOUR:
            message = f"must be less than or equal to {_HOUR}"
            found.append(invalid(f"{here}.stabilizationWindowSeconds", seconds, message))
        if rules.get("selectPolicy") not in (None, *_SELECT):
            found.append(not_supported(f"{here}.selectPolicy", rules["selectPolicy"], _SELECT))
        if not rules.get("policies"):
            found.append(required(f"{here}.policies", "must specify at least one Policy"))
        for index, policy in enumerate(rules.get("policies") or ()):
            found += _policy_errors(policy, f"{here}.policies[{index}]")
    return found


def _policy_errors(policy: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if policy.get("type") not in ("Pods", "Percent"):
        found.append(not_supported(f"{path}.type", policy.get("type") or "", ["Percent", "Pods"]))
    for field in ("value", "periodSeconds"):
        if (policy.get(field) or 0) <= 0:
            found.append(invalid(f"{path}.{field}", policy.get(field) or 0, "must be greater than zero"))
    if (policy.get("periodSeconds") or 0) > _HALF_AN_HOUR:
        message = f"must be less than or equal to {_HALF_AN_HOUR}"
        found.append(invalid(f"{path}.periodSeconds", policy["periodSeconds"], message))
    return found
