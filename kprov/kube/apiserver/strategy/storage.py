"""The kinds of the storage.k8s.io group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, Strategy, forbidden, not_supported, required
from kprov.kube.apiserver.strategy.equality import semantically_equal
from kprov.kube.apiserver.strategy.workloads import set_missing

Object = dict[str, Any]

_RECLAIM = ["Delete", "Retain"]
_BINDING = ["Immediate", "WaitForFirstConsumer"]


class StorageClassStrategy(Strategy):
    """Storage classes."""

    def default(self, obj: Object) -> None:
        """Volumes go with their claims, and are bound at once."""
        set_missing(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")

    def validate(self, obj: Object) -> list[FieldError]:
        """A provisioner, and words that are known."""
        found: list[FieldError] = []
        if not obj.get("provisioner"):
            found.append(required("provisioner"))
        for field, known in (("reclaimPolicy", _RECLAIM), ("volumeBindingMode", _BINDING)):
            if obj.get(field) not in known:
                found.append(not_supported(field, obj.get(field), known))
        return found

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """What volumes were made by stays."""
        found = self.validate(obj)
        for field in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
            if not semantically_equal(obj.get(field), old.get(field)):
                found.append(forbidden(field, f"updates to {field} are forbidden."))
        return found


class DriverStrategy(Strategy):
    """CSI drivers."""

    def default(self, obj: Object) -> None:
        """As upstream."""
        spec = obj.setdefault("spec", {})
        set_missing(
            spec,
            attachRequired=True,
            podInfoOnMount=False,
            storageCapacity=False,
            fsGroupPolicy="ReadWriteOnceWithFSType",
            requiresRepublish=False,
            seLinuxMount=False,
        )
        if not spec.get("volumeLifecycleModes"):
            spec["volumeLifecycleModes"] = ["Persistent"]


class AttachmentStrategy(Strategy):
    """Volume attachments."""

    def validate(self, obj: Object) -> list[FieldError]:
        """Who attaches what to which node."""
        spec = obj.get("spec") or {}
        found = [required(f"spec.{field}") for field in ("attacher", "nodeName") if not spec.get(field)]
        source = spec.get("source") or {}
        if not source.get("persistentVolumeName") and not source.get("inlineVolumeSpec"):
            found.append(
                required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
            )
        return found


STRATEGIES: dict[str, Strategy] = {
    "csidrivers": DriverStrategy(),
    "storageclasses": StorageClassStrategy(),
    "volumeattachments": AttachmentStrategy(),
}
