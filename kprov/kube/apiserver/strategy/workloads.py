"""Replica sets, replication controllers and deployments."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    forbidden,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.equality import semantically_equal
from kprov.kube.apiserver.strategy.fields import IMMUTABLE, int_or_percent_errors, label_errors, not_negative
from kprov.kube.apiserver.strategy.pod_defaults import default_pod_template
from kprov.kube.apiserver.strategy.pod_validation import validate_pod_template
from kprov.kube.apiserver.strategy.templates import (
    NO_MATCH,
    always_running_errors,
    selector_and_template_errors,
)

Object = dict[str, Any]


def set_missing(spec: Object, **values: Any) -> None:
    """Give fields that are absent or null a value."""
    for field, value in values.items():
        if spec.get(field) is None:
            spec[field] = value


def immutable_selector(obj: Object, old: Object) -> list[FieldError]:
    """That a workload keeps its selector."""
    new, before = (obj.get("spec") or {}).get("selector"), (old.get("spec") or {}).get("selector")
    return [] if semantically_equal(new, before) else [invalid("spec.selector", new, IMMUTABLE)]


def status_errors(status: Object, fields: tuple[str, ...]) -> list[FieldError]:
    """That counts are not negative and no part exceeds the whole."""
    found = [error for field in fields for error in not_negative(status.get(field), f"status.{field}")]
    total = status.get("replicas") or 0
    for field in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        if field in fields and (status.get(field) or 0) > total:
            found.append(invalid(f"status.{field}", status[field], "cannot be greater than status.replicas"))
    if (status.get("availableReplicas") or 0) > (status.get("readyReplicas") or 0) and "readyReplicas" in fields:
        message = "cannot be greater than readyReplicas"
        found.append(invalid("status.availableReplicas", status["availableReplicas"], message))
    return found


_SET_STATUS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")


class ReplicaSetStrategy(Strategy):
    """Replica sets."""

    def default(self, obj: Object) -> None:
        """One replica."""
        spec = obj.setdefault("spec", {})
        set_missing(spec, replicas=1)
        default_pod_template(spec.get("template"))

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Nothing runs yet."""
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object) -> list[FieldError]:
        """Selector, template and counts."""
        spec = obj.get("spec") or {}
        found = not_negative(spec.get("replicas"), "spec.replicas")
        found += not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
        # "deployment" is what upstream says here too.
        return found + selector_and_template_errors(spec, "deployment", template_kind="ReplicaSet")

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The selector stays."""
        return self.validate(obj) + immutable_selector(obj, old)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Counts that add up."""
        return status_errors(obj.get("status") or {}, _SET_STATUS)


class ReplicationControllerStrategy(Strategy):
    """Replication controllers: replica sets of before, whose selector is a plain map."""

    def default(self, obj: Object) -> None:
        """One replica; selector and labels are the template's where they are not given."""
        spec = obj.setdefault("spec", {})
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
        if labels:
            if not spec.get("selector"):
                spec["selector"] = dict(labels)
            metadata = obj.setdefault("metadata", {})
            if not metadata.get("labels"):
                metadata["labels"] = dict(labels)
        set_missing(spec, replicas=1)
        default_pod_template(spec.get("template"))

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Nothing runs yet."""
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object) -> list[FieldError]:
        """Selector, template and counts."""
        spec = obj.get("spec") or {}
        selector, template = spec.get("selector") or {}, spec.get("template")
        found = not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
        found += [required("spec.selector")] if not selector else label_errors(selector, "spec.selector")
        found += not_negative(spec.get("replicas"), "spec.replicas")
        if not template:
            return [*found, required("spec.template")]
        labels = (template.get("metadata") or {}).get("labels") or {}
        if any(labels.get(key) != value for key, value in selector.items()):
            found.append(invalid("spec.template.metadata.labels", labels, NO_MATCH))
        found += validate_pod_template(template, "spec.template")
        return found + always_running_errors(template.get("spec") or {}, "ReplicationController")

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Counts that add up."""
        return status_errors(obj.get("status") or {}, _SET_STATUS)


class DeploymentStrategy(Strategy):
    """Deployments."""

    def default(self, obj: Object) -> None:
        """One replica, replaced a quarter at a time."""
        spec = obj.setdefault("spec", {})
        set_missing(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
        strategy = spec["strategy"] = spec.get("strategy") or {}
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
            set_missing(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
        default_pod_template(spec.get("template"))

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Nothing runs yet."""
        obj["status"] = {}

    def validate(self, obj: Object) -> list[FieldError]:
        """Selector, template, strategy and counts."""
        spec = obj.get("spec") or {}
        found = not_negative(spec.get("replicas"), "spec.replicas")
        found += selector_and_template_errors(spec, "deployment", template_kind="ReplicaSet")
        found += _rollout_errors(spec.get("strategy") or {})
        for field in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
            found += not_negative(spec.get(field), f"spec.{field}")
        deadline = spec.get("progressDeadlineSeconds")
        if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
            found.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The selector stays."""
        return self.validate(obj) + immutable_selector(obj, old)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Counts that add up."""
        fields = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
                  "unavailableReplicas")  # fmt: skip
        return status_errors(obj.get("status") or {}, fields)


def percent_or_count(value: Any) -> int:
    """The number of a count or of a percentage."""
    return (
        int(value.rstrip("%") or 0)
        if isinstance(value, str) and value.rstrip("%").isdigit()
        else (value if isinstance(value, int) else 0)
    )


def not_more_than_all(value: Any, path: str) -> list[FieldError]:
    """That a percentage is at most 100%."""
    if isinstance(value, str) and percent_or_count(value) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def _rollout_errors(strategy: Object) -> list[FieldError]:
    rolling = strategy.get("rollingUpdate")
    match strategy.get("type"):
        case "Recreate":
            message = "may not be specified when strategy `type` is 'Recreate'"
            return [forbidden("spec.strategy.rollingUpdate", message)] if rolling is not None else []
        case "RollingUpdate":
            rolling, path = rolling or {}, "spec.strategy.rollingUpdate"
            surge, unavailable = rolling.get("maxSurge"), rolling.get("maxUnavailable")
            found = int_or_percent_errors(unavailable, f"{path}.maxUnavailable")
            found += int_or_percent_errors(surge, f"{path}.maxSurge")
            if not found and percent_or_count(unavailable) == 0 and percent_or_count(surge) == 0:
                found.append(invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
            return found + not_more_than_all(unavailable, f"{path}.maxUnavailable")
    return [not_supported("spec.strategy", strategy, ["Recreate", "RollingUpdate"])]
