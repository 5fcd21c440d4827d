"""HorizontalPodAutoscalers between autoscaling/v1 and v2.

v1 knows one metric, the CPU. What else v2 has travels in annotations, under upstream's names and in upstream's shape
(autoscaling.alpha.kubernetes.io/...), so that a client of v1 that writes back what it read takes nothing away.
"""

from __future__ import annotations

from typing import Any

import orjson

Object = dict[str, Any]

_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS = _PREFIX + "metrics"
_CURRENT = _PREFIX + "current-metrics"
_CONDITIONS = _PREFIX + "conditions"
_BEHAVIOR = _PREFIX + "behavior"
_ALL = (_METRICS, _CURRENT, _CONDITIONS, _BEHAVIOR)
_SOURCES = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Object": "object",
    "Pods": "pods",
    "External": "external",
}
# What v2 has in a target or current value, and what the annotation calls it, for each source of metrics.
_OF_RESOURCES = (("averageUtilization", "AverageUtilization"), ("averageValue", "AverageValue"))
_OF_OTHERS = (("value", "Value"), ("averageValue", "AverageValue"))
_LOWER = {
    name.lower(): name
    for name in ("scaleUp", "scaleDown", "stabilizationWindowSeconds", "selectPolicy", "policies", "type", "value",
                 "periodSeconds", "tolerance")
}  # fmt: skip


def to_v2(obj: Object) -> Object:
    """autoscaling/v1 -> v2: the CPU's share, and what the annotations hold (one that can't be read is dropped)."""
    out = {**obj, "spec": dict(obj.get("spec") or {}), "status": dict(obj.get("status") or {})}
    spec, status = out["spec"], out["status"]
    kept = _take(out)
    target = spec.pop("targetCPUUtilizationPercentage", None)
    metrics = [_flat_to_nested(each, "target") for each in _list(kept.get(_METRICS))]
    if target is not None:
        goal = {"type": "Utilization", "averageUtilization": target}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": goal}})
    if metrics:
        spec["metrics"] = metrics
    behavior = kept.get(_BEHAVIOR)
    if isinstance(behavior, dict) and behavior:
        spec["behavior"] = _lowered(behavior)
    current = status.pop("currentCPUUtilizationPercentage", None)
    if _CURRENT in kept:  # it says more than the percentage
        status["currentMetrics"] = [_flat_to_nested(each, "current") for each in _list(kept[_CURRENT])]
    elif current is not None:
        value = {"averageUtilization": current, "averageValue": "0"}
        status["currentMetrics"] = [{"type": "Resource", "resource": {"name": "cpu", "current": value}}]
    if _CONDITIONS in kept:
        status["conditions"] = _list(kept[_CONDITIONS])
    if status:
        status.setdefault("currentMetrics", None)  # v2 always says it
    return out


def from_v2(obj: Object) -> Object:
    """autoscaling/v2 -> v1: the CPU's share in its field, the rest in annotations."""
    out = {**obj, "spec": dict(obj.get("spec") or {}), "status": dict(obj.get("status") or {})}
    spec, status = out["spec"], out["status"]
    _take(out)
    notes: Object = {}
    others = []
    for metric in spec.pop("metrics", None) or ():
        share = _cpu_share(metric, "target")
        if share is None:
            others.append(_nested_to_flat(metric, "target"))
        else:
            spec["targetCPUUtilizationPercentage"] = share
    if others:
        notes[_METRICS] = others
    if behavior := spec.pop("behavior", None):
        notes[_BEHAVIOR] = _raised(behavior)
    currents = status.pop("currentMetrics", None) or []
    for metric in currents:
        share = _cpu_share(metric, "current")
        if share is not None:
            status["currentCPUUtilizationPercentage"] = share
    if currents:
        notes[_CURRENT] = [_nested_to_flat(each, "current") for each in currents]
    if conditions := status.pop("conditions", None):
        notes[_CONDITIONS] = conditions
    if notes:
        written = {name: orjson.dumps(value).decode() for name, value in notes.items()}
        metadata = out.get("metadata") or {}
        out["metadata"] = {**metadata, "annotations": {**(metadata.get("annotations") or {}), **written}}
    return out


def _take(out: Object) -> Object:
    """Take the annotations that stand for fields out of an object's copy; what they hold."""
    metadata = out.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if not any(name in annotations for name in _ALL):
        return {}
    found: Object = {}
    for name in _ALL:
        try:
            if name in annotations:
                found[name] = orjson.loads(annotations[name])
        except orjson.JSONDecodeError:
            continue
    rest = {key: value for key, value in annotations.items() if key not in _ALL}
    out["metadata"] = {key: value for key, value in metadata.items() if key != "annotations"}
    if rest:
        out["metadata"]["annotations"] = rest
    return found


def _list(value: Any) -> list[Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _cpu_share(metric: Object, part: str) -> Any:
    source = metric.get("resource") or {}
    if metric.get("type") != "Resource" or source.get("name") != "cpu":
        return None
    return (source.get(part) or {}).get("averageUtilization")


def _nested_to_flat(metric: Object, part: str) -> Object:
    """A metric of v2 as the annotation writes it; ``part`` is "target" or "current"."""
    kind = metric.get("type", "")
    key = _SOURCES.get(kind, "")
    source = metric.get(key) or {}
    numbers = source.get(part) or {}
    flat: Object = {}
    if kind in ("Resource", "ContainerResource"):
        flat = {name: source[name] for name in ("name", "container") if name in source}
        names = tuple((old, part + new) for old, new in _OF_RESOURCES)
    else:
        named = source.get("metric") or {}
        flat["metricName"] = named.get("name", "")
        if named.get("selector") is not None:
            flat["metricSelector" if kind == "External" else "selector"] = named["selector"]
        if kind == "Object":
            flat["target"] = source.get("describedObject") or {}
        names = _names_of_others(kind, part)
    return {"type": kind, key: flat | {new: numbers[old] for old, new in names if numbers.get(old) is not None}}


def _flat_to_nested(metric: Object, part: str) -> Object:
    """A metric of the annotation in v2's shape."""
    kind = metric.get("type", "")
    key = _SOURCES.get(kind, "")
    flat = metric.get(key)
    flat = flat if isinstance(flat, dict) else {}
    if kind in ("Resource", "ContainerResource"):
        nested = {name: flat[name] for name in ("name", "container") if name in flat}
        names = tuple((old, part + new) for old, new in _OF_RESOURCES)
    else:
        named: Object = {"name": flat.get("metricName", "")}
        selector = flat.get("metricSelector" if kind == "External" else "selector")
        if selector is not None:
            named["selector"] = selector
        nested = {"metric": named}
        if kind == "Object":
            nested["describedObject"] = flat.get("target") or {}
        names = _names_of_others(kind, part)
    # a target says the same in all its numbers; upstream writes an average's total as "0"
    numbers = {old: flat[new] for old, new in names if flat.get(new) is not None}
    if "averageValue" in numbers and str(numbers.get("value", "")) == "0":
        del numbers["value"]
    if part == "target":
        types = (("averageUtilization", "Utilization"), ("averageValue", "AverageValue"), ("value", "Value"))
        numbers = {"type": next((name for field, name in types if field in numbers), "Value"), **numbers}
    nested[part] = numbers
    return {"type": kind, key: nested}


def _names_of_others(kind: str, part: str) -> tuple[tuple[str, str], ...]:
    if kind == "Object":  # its average has no prefix
        return (("value", part + "Value"), ("averageValue", "averageValue"))
    return tuple((old, part + new) for old, new in _OF_OTHERS)


def _lowered(value: Any) -> Any:
    """A behavior whose keys are written as in v2: upstream's annotation begins them with capitals."""
    if isinstance(value, dict):
        found = {_LOWER.get(key.lower(), key): _lowered(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each is not None}
    return [_lowered(each) for each in value] if isinstance(value, list) else value


def _raised(value: Any) -> Any:
    """A behavior whose keys begin with capitals."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: _raised(each) for key, each in value.items()}
    return [_raised(each) for each in value] if isinstance(value, list) else value
