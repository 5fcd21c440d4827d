"""Persistent volumes and the claims to them."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.quantity import QuantityError, parse
from kprov.kube.apiserver.strategy.affinity_validation import validate_node_selector
from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    StrategyContext,
    dns_subdomain_error,
    forbidden,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.equality import pruned, semantically_equal
from kprov.kube.apiserver.strategy.fields import selector_errors
from kprov.kube.apiserver.strategy.pod_defaults import default_claim_spec
from kprov.kube.apiserver.strategy.quantities import normalize
from kprov.kube.apiserver.strategy.resource_validation import positive_errors

Object = dict[str, Any]

_MODES = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]
_RECLAIM = ["Delete", "Recycle", "Retain"]
_VOLUME_MODES = ["Block", "Filesystem"]
_NOT_SOURCES = frozenset(
    (
        "capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName", "mountOptions",
        "volumeMode", "nodeAffinity", "volumeAttributesClassName",
    )
)  # fmt: skip


def _mode_errors(modes: list[str], path: str) -> list[FieldError]:
    if not modes:
        return [required(path)]
    return [not_supported(path, mode, _MODES) for mode in modes if mode not in _MODES]


class VolumeStrategy(Strategy):
    """Persistent volumes."""

    def default(self, obj: Object) -> None:
        """Kept after release, and a file system."""
        spec = obj.setdefault("spec", {})
        if not spec.get("persistentVolumeReclaimPolicy"):
            spec["persistentVolumeReclaimPolicy"] = "Retain"
        if not spec.get("volumeMode"):
            spec["volumeMode"] = "Filesystem"
        if isinstance(spec.get("hostPath"), dict):
            spec["hostPath"].setdefault("type", "")
        normalize(spec.get("capacity"))

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """A new volume is pending until the controller has looked at it."""
        obj["status"] = {"phase": "Pending"}

    def validate(self, obj: Object) -> list[FieldError]:
        """Exactly one source, a capacity, and who may use it how."""
        spec = obj.get("spec") or {}
        found = _mode_errors(spec.get("accessModes") or [], "spec.accessModes")
        capacity = spec.get("capacity") or {}
        if not capacity:
            found.append(required("spec.capacity"))
        elif list(capacity) != ["storage"]:
            found.append(not_supported("spec.capacity", sorted(capacity), ["storage"]))
        for name, quantity in capacity.items():
            found += positive_errors(quantity, f"spec.capacity[{name}]")
        if spec.get("persistentVolumeReclaimPolicy") not in _RECLAIM:
            given = spec.get("persistentVolumeReclaimPolicy")
            found.append(not_supported("spec.persistentVolumeReclaimPolicy", given, _RECLAIM))
        sources = [field for field, source in spec.items() if field not in _NOT_SOURCES and source is not None]
        if not sources:
            found.append(required("spec", "must specify a volume type"))
        for extra in sources[1:]:
            found.append(forbidden(f"spec.{extra}", "may not specify more than 1 volume type"))
        if "hostPath" in sources:
            place = spec["hostPath"].get("path") or ""
            if not place:
                found.append(required("spec.hostPath.path"))
            elif ".." in place.split("/"):
                found.append(invalid("spec.hostPath.path", place, "must not contain '..'"))
            if place.rstrip("/") == "" and place and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
                message = "may not be 'recycle' for a hostPath mount of '/'"
                found.append(forbidden("spec.persistentVolumeReclaimPolicy", message))
        affinity = (spec.get("nodeAffinity") or {}).get("required")
        if spec.get("nodeAffinity") and affinity is None:
            found.append(required("spec.nodeAffinity.required", "must specify required node constraints"))
        if affinity is not None:
            found += validate_node_selector(affinity, "spec.nodeAffinity.required")
        if "local" in sources:
            if affinity is None:
                found.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
            if not spec["local"].get("path"):
                found.append(required("spec.local.path"))
        if spec.get("volumeMode") not in _VOLUME_MODES:
            found.append(not_supported("spec.volumeMode", spec.get("volumeMode"), _VOLUME_MODES))
        if spec.get("storageClassName") and (error := dns_subdomain_error(spec["storageClassName"])):
            found.append(invalid("spec.storageClassName", spec["storageClassName"], error))
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """What it is made of does not change."""
        found = self.validate(obj)
        spec, before = obj.get("spec") or {}, old.get("spec") or {}
        new_sources = {field: source for field, source in spec.items() if field not in _NOT_SOURCES}
        old_sources = {field: source for field, source in before.items() if field not in _NOT_SOURCES}
        if not semantically_equal(new_sources, old_sources):
            found.append(
                forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")
            )
        if spec.get("volumeMode") != before.get("volumeMode"):
            found.append(invalid("spec.volumeMode", spec.get("volumeMode"), "field is immutable"))
        if before.get("nodeAffinity") and not semantically_equal(spec.get("nodeAffinity"), before["nodeAffinity"]):
            found.append(invalid("spec.nodeAffinity", spec.get("nodeAffinity"), "field is immutable"))
        return found


class ClaimStrategy(Strategy):
    """Claims to persistent volumes."""

    def default(self, obj: Object) -> None:
        """A file system."""
        default_claim_spec(obj.setdefault("spec", {}))

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """A new claim is pending."""
        obj["status"] = {"phase": "Pending"}

    def validate(self, obj: Object) -> list[FieldError]:
        """How much, and how it will be used."""
        return validate_claim_spec(obj.get("spec") or {}, "spec")

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """A bound claim may ask for more, and otherwise stays as it is."""
        found = self.validate(obj)
        spec, before = pruned(obj.get("spec") or {}), pruned(old.get("spec") or {})
        new_size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        old_size = ((before.get("resources") or {}).get("requests") or {}).get("storage")
        bound = bool((old.get("status") or {}).get("phase") == "Bound")
        compared = {key: value for key, value in spec.items() if key not in ("resources", "volumeAttributesClassName")}
        present = {key: value for key, value in before.items() if key not in ("resources", "volumeAttributesClassName")}
        if not present.get("volumeName"):
            compared.pop("volumeName", None)
        if "storageClassName" not in present:
            compared.pop("storageClassName", None)
        if compared != present or (new_size != old_size and not bound):
            message = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"  # noqa: E501
            found.append(forbidden("spec", message))
        elif new_size != old_size and _less(new_size, old_size):
            message = "field can not be less than previous value"
            found.append(forbidden("spec.resources.requests.storage", message))
        return found


def _less(new: Any, old: Any) -> bool:
    try:
        return parse(new) < parse(old)
    except QuantityError:
        return False


def validate_claim_spec(spec: Object, path: str) -> list[FieldError]:
    """What is wrong with a claim's spec, also where a template holds it."""
    found = _mode_errors(spec.get("accessModes") or [], f"{path}.accessModes")
    found += selector_errors(spec.get("selector"), f"{path}.selector")
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        found.append(required(f"{path}.resources[storage]"))
    else:
        found += positive_errors(size, f"{path}.resources[storage]")
    if spec.get("storageClassName") and (error := dns_subdomain_error(spec["storageClassName"])):
        found.append(invalid(f"{path}.storageClassName", spec["storageClassName"], error))
    if spec.get("volumeMode") not in (None, *_VOLUME_MODES):
        found.append(not_supported(f"{path}.volumeMode", spec["volumeMode"], _VOLUME_MODES))
    return found
