"""Pods."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, Strategy, StrategyContext, forbidden, invalid
from kprov.kube.apiserver.strategy.pod_defaults import default_pod, default_pod_spec, default_pod_template
from kprov.kube.apiserver.strategy.pod_updates import (
    validate_ephemeral_containers_update,
    validate_pod_resize,
    validate_pod_status_update,
    validate_pod_update,
)
from kprov.kube.apiserver.strategy.pod_validation import validate_pod, validate_pod_template
from kprov.kube.apiserver.strategy.qos import qos_class

Object = dict[str, Any]


class PodStrategy(Strategy):
    """Pods: the spec hardly changes once it is there; the status belongs to the kubelet."""

    def default(self, obj: Object) -> None:
        """See pod_defaults."""
        default_pod(obj)

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """A new pod is pending."""
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}

    def prepare_for_status_update(self, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """Owner references are not the kubelet's."""
        references = old["metadata"].get("ownerReferences")
        if references is not None:
            obj["metadata"]["ownerReferences"] = references
        else:
            obj["metadata"].pop("ownerReferences", None)
        obj.setdefault("status", {}).setdefault("qosClass", (old.get("status") or {}).get("qosClass", "BestEffort"))

    def prepare_for_subresource_update(self, subresource: str, obj: Object, old: Object, ctx: StrategyContext) -> None:
        """Ephemeral containers are added, and resources resized, without touching anything else."""
        spec = obj.get("spec") or {}
        kept = dict(old["spec"])
        if subresource == "ephemeralcontainers":
            if spec.get("ephemeralContainers"):
                kept["ephemeralContainers"] = spec["ephemeralContainers"]
                default_pod_spec({"ephemeralContainers": kept["ephemeralContainers"]})
        elif subresource == "resize":
            for field in ("containers", "initContainers"):
                if spec.get(field):
                    kept[field] = spec[field]
        obj["spec"] = kept
        obj["status"] = old.get("status") or {}

    def validate(self, obj: Object) -> list[FieldError]:
        """See pod_validation; ephemeral containers are added to a pod that is there, by those who may."""
        found = validate_pod(obj)
        if (obj.get("spec") or {}).get("ephemeralContainers"):
            found.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """See pod_updates."""
        return validate_pod_update(obj, old)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """See pod_updates."""
        return validate_pod_status_update(obj, old)

    def validate_subresource_update(self, subresource: str, obj: Object, old: Object) -> list[FieldError]:
        """See pod_updates."""
        if subresource == "ephemeralcontainers":
            return validate_ephemeral_containers_update(obj, old)
        if subresource == "resize":
            return validate_pod_resize(obj, old)
        return []


class PodTemplateStrategy(Strategy):
    """Pod templates that stand alone."""

    def default(self, obj: Object) -> None:
        """As the templates of workloads."""
        default_pod_template(obj.get("template"))

    def validate(self, obj: Object) -> list[FieldError]:
        """As the templates of workloads."""
        if not isinstance(obj.get("template"), dict):
            return [invalid("template", None, "must be a pod template")]
        return validate_pod_template(obj["template"], "template")
