"""The kinds of the storage.k8s.io group."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import (
    FieldError,
    Strategy,
    dns_subdomain_error,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from kprov.kube.apiserver.strategy.equality import semantically_equal
from kprov.kube.apiserver.strategy.fields import qualified_name_errors
from kprov.kube.apiserver.strategy.workloads import set_missing

Object = dict[str, Any]

_RECLAIM = ["Delete", "Retain"]
_BINDING = ["Immediate", "WaitForFirstConsumer"]
_FS_GROUP = ["File", "None", "ReadWriteOnceWithFSType"]
_LIFECYCLES = ["Ephemeral", "Persistent"]
_LONGEST_NODE = 192


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

    def validate(self, obj: Object) -> list[FieldError]:
        """Words that are known."""
        spec = obj.get("spec") or {}
        found: list[FieldError] = []
        if spec.get("fsGroupPolicy") not in (None, *_FS_GROUP):
            found.append(not_supported("spec.fsGroupPolicy", spec["fsGroupPolicy"], _FS_GROUP))
        for mode in spec.get("volumeLifecycleModes") or ():
            if mode not in _LIFECYCLES:
                found.append(not_supported("spec.volumeLifecycleModes", mode, _LIFECYCLES))
        return found


class NodeDriversStrategy(Strategy):
    """What CSI drivers a node has."""

    def validate(self, obj: Object) -> list[FieldError]:
        """Each driver once, with what it calls the node."""
        found: list[FieldError] = []
        names: set[str] = set()
        for index, driver in enumerate((obj.get("spec") or {}).get("drivers") or ()):
            here, name, node = f"spec.drivers[{index}]", driver.get("name") or "", driver.get("nodeID") or ""
            if not name:
                found.append(required(f"{here}.name"))
            elif error := dns_subdomain_error(name.lower()):
                found.append(invalid(f"{here}.name", name, error))
            if name in names:
                found.append(duplicate(f"{here}.name", name))
            names.add(name)
            if not node:
                found.append(required(f"{here}.nodeID"))
            elif len(node) > _LONGEST_NODE:
                message = f"must be {_LONGEST_NODE} characters or less"
                found.append(invalid(f"{here}.nodeID", node, message))
            for key in driver.get("topologyKeys") or ():
                found += [invalid(f"{here}.topologyKeys", key, text) for text in qualified_name_errors(key)]
        return found


class AttachmentStrategy(Strategy):
    """Volume attachments."""

    def validate(self, obj: Object) -> list[FieldError]:
        """Who attaches what to which node."""
        spec = obj.get("spec") or {}
        found = [required(f"spec.{field}") for field in ("attacher", "nodeName") if not spec.get(field)]
        if spec.get("attacher") and (error := dns_subdomain_error(spec["attacher"].lower())):
            found.append(invalid("spec.attacher", spec["attacher"], error))
        source = spec.get("source") or {}
        if not source.get("persistentVolumeName") and not source.get("inlineVolumeSpec"):
            found.append(
                required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
            )
        return found


STRATEGIES: dict[str, Strategy] = {
    "csidrivers": DriverStrategy(),
    "csinodes": NodeDriversStrategy(),
    "storageclasses": StorageClassStrategy(),
    "volumeattachments": AttachmentStrategy(),
}
