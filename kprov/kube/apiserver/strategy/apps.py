"""The kinds of the apps group."""

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
from kprov.kube.apiserver.strategy.fields import (
    IMMUTABLE,
    int_or_percent_errors,
    is_empty_selector,
    not_negative,
    selector_errors,
)
from kprov.kube.apiserver.strategy.pod_defaults import default_claim_spec, default_pod_template
from kprov.kube.apiserver.strategy.pod_validation import validate_pod_template
from kprov.kube.apiserver.strategy.templates import (
    always_running_errors,
    match_errors,
    selector_and_template_errors,
)
from kprov.kube.apiserver.strategy.workloads import (
    DeploymentStrategy,
    ReplicaSetStrategy,
    immutable_selector,
    not_more_than_all,
    percent_or_count,
    set_missing,
    status_errors,
)

Object = dict[str, Any]

_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class DaemonSetStrategy(Strategy):
    """Daemon sets."""

    def default(self, obj: Object) -> None:
        """Replaced one at a time."""
        spec = obj.setdefault("spec", {})
        set_missing(spec, revisionHistoryLimit=10)
        strategy = spec["updateStrategy"] = spec.get("updateStrategy") or {}
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
            set_missing(strategy["rollingUpdate"], maxUnavailable=1, maxSurge=0)
        default_pod_template(spec.get("template"))

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Nothing runs yet; the template's generation is counted in an annotation."""
        obj["status"] = {
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        }
        annotations = obj["metadata"]["annotations"] = dict(obj["metadata"].get("annotations") or {})
        annotations[_TEMPLATE_GENERATION] = annotations.get(_TEMPLATE_GENERATION) or "1"

    def prepare_for_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """A changed template is a new generation of it."""
        before = (old["metadata"].get("annotations") or {}).get(_TEMPLATE_GENERATION) or "1"
        changed = not semantically_equal(obj["spec"].get("template"), old["spec"].get("template"))
        annotations = obj["metadata"]["annotations"] = dict(obj["metadata"].get("annotations") or {})
        annotations[_TEMPLATE_GENERATION] = str(int(before) + 1) if changed and before.isdigit() else before

    def validate(self, obj: Object) -> list[FieldError]:
        """Selector, template and strategy."""
        spec = obj.get("spec") or {}
        selector, template = spec.get("selector"), spec.get("template") or {}
        found = selector_errors(selector, "spec.selector") + match_errors(selector, template)
        if selector is None:
            found.append(required("spec.selector"))
        elif is_empty_selector(selector):
            found.append(invalid("spec.selector", selector, "empty selector is invalid for daemonset"))
        found += validate_pod_template(template, "spec.template")
        found += always_running_errors(template.get("spec") or {}, "DaemonSet")
        for field in ("minReadySeconds", "revisionHistoryLimit"):
            found += not_negative(spec.get(field), f"spec.{field}")
        return found + _daemon_rollout_errors(spec.get("updateStrategy") or {})

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The selector stays."""
        return self.validate(obj) + immutable_selector(obj, old)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Counts that are ones."""
        fields = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
                  "updatedNumberScheduled", "numberAvailable", "numberUnavailable")  # fmt: skip
        return status_errors(obj.get("status") or {}, fields)


def _daemon_rollout_errors(strategy: Object) -> list[FieldError]:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate") or {}
    if kind == "OnDelete":
        return []
    if kind != "RollingUpdate":
        return [not_supported("spec.updateStrategy", strategy, ["RollingUpdate", "OnDelete"])]
    path = "spec.updateStrategy.rollingUpdate"
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    found = int_or_percent_errors(unavailable, f"{path}.maxUnavailable")
    found += int_or_percent_errors(surge, f"{path}.maxSurge")
    if not found:
        if percent_or_count(unavailable) and percent_or_count(surge):
            found.append(invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
        elif not percent_or_count(unavailable) and not percent_or_count(surge):
            message = "cannot be 0 when maxSurge is 0" if surge is not None else "cannot be 0"
            found.append(invalid(f"{path}.maxUnavailable", unavailable, message))
    return found + not_more_than_all(unavailable, f"{path}.maxUnavailable")


_STATEFUL_FIELDS = (
    "replicas", "ordinals", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
    "revisionHistoryLimit",
)  # fmt: skip


class StatefulSetStrategy(Strategy):
    """Stateful sets."""

    def default(self, obj: Object) -> None:
        """One replica, in order."""
        spec = obj.setdefault("spec", {})
        if not spec.get("podManagementPolicy"):
            spec["podManagementPolicy"] = "OrderedReady"
        strategy = spec["updateStrategy"] = spec.get("updateStrategy") or {}
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
            strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
            set_missing(strategy["rollingUpdate"], partition=0)
        retention = spec["persistentVolumeClaimRetentionPolicy"] = (
            spec.get("persistentVolumeClaimRetentionPolicy") or {}
        )
        set_missing(retention, whenDeleted="Retain", whenScaled="Retain")
        set_missing(spec, replicas=1, revisionHistoryLimit=10)
        default_pod_template(spec.get("template"))
        for claim in spec.get("volumeClaimTemplates") or ():
            claim.setdefault("apiVersion", "v1")
            claim.setdefault("kind", "PersistentVolumeClaim")
            claim.setdefault("status", {"phase": "Pending"})
            default_claim_spec(claim.setdefault("spec", {}))

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """Nothing runs yet."""
        obj["status"] = {"replicas": 0, "availableReplicas": 0}

    def validate(self, obj: Object) -> list[FieldError]:
        """Selector, template, strategy and counts."""
        spec = obj.get("spec") or {}
        found: list[FieldError] = []
        policy = spec.get("podManagementPolicy")
        if policy not in ("OrderedReady", "Parallel"):
            found.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
        found += _stateful_rollout_errors(spec.get("updateStrategy") or {})
        for field in ("replicas", "minReadySeconds", "revisionHistoryLimit"):
            found += not_negative(spec.get(field), f"spec.{field}")
        return found + selector_and_template_errors(spec, "statefulset", template_kind="StatefulSet")

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Little may change: a set's pods have identities."""
        spec, before = obj.get("spec") or {}, old.get("spec") or {}
        found = self.validate(obj)
        kept = {key: value for key, value in spec.items() if key not in _STATEFUL_FIELDS}
        present = {key: value for key, value in before.items() if key not in _STATEFUL_FIELDS}
        if not semantically_equal(kept, present):
            message = (
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
                "'updateStrategy', "
                "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
            )
            found.append(forbidden("spec", message))
        return found

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Counts that add up."""
        fields = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
        return status_errors(obj.get("status") or {}, fields)


def _stateful_rollout_errors(strategy: Object) -> list[FieldError]:
    rolling = strategy.get("rollingUpdate")
    match strategy.get("type"):
        case "OnDelete":
            message = "only allowed for updateStrategy 'RollingUpdate'"
            return [invalid("spec.updateStrategy.rollingUpdate", rolling, message)] if rolling else []
        case "RollingUpdate":
            return not_negative((rolling or {}).get("partition"), "spec.updateStrategy.rollingUpdate.partition")
    return [invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")]


class ControllerRevisionStrategy(Strategy):
    """Revisions of a workload's template: what they hold never changes."""

    def validate(self, obj: Object) -> list[FieldError]:
        """A number."""
        return not_negative(obj.get("revision"), "revision")

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """Only the number changes."""
        if not semantically_equal(obj.get("data"), old.get("data")):
            return [invalid("data", obj.get("data"), IMMUTABLE)]
        return self.validate(obj)


STRATEGIES: dict[str, Strategy] = {
    "controllerrevisions": ControllerRevisionStrategy(),
    "daemonsets": DaemonSetStrategy(),
    "deployments": DeploymentStrategy(),
    "replicasets": ReplicaSetStrategy(),
    "statefulsets": StatefulSetStrategy(),
}
