"""Columns of configuration and storage."""

from __future__ import annotations

from kprov.kube.apiserver.columns.table import Cells, Columns, Object, age, columns, name, or_none

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def _modes(modes: list[str] | None) -> str:
    """Access modes in short, in upstream's order and each once."""
    return ",".join(short for mode, short in _MODES.items() if mode in (modes or ()))


def _class(obj: Object) -> str:
    annotated = (obj["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION)
    return str(annotated or (obj.get("spec") or {}).get("storageClassName") or "")


def _volume(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    claim = spec.get("claimRef")
    phase = status.get("phase") or ""
    if obj["metadata"].get("deletionTimestamp"):
        phase = "Terminating"
    return [
        name(obj),
        (spec.get("capacity") or {}).get("storage") or "0",
        _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy") or "",
        phase,
        f"{claim.get('namespace')}/{claim.get('name')}" if claim else "",
        _class(obj),
        spec.get("volumeAttributesClassName") or "<unset>",
        status.get("reason") or "",
        age(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]


def _claim(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    phase = "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase") or ""
    bound = bool(spec.get("volumeName"))
    return [
        name(obj),
        phase,
        spec.get("volumeName") or "",
        ((status.get("capacity") or {}).get("storage") or "0") if bound else "",
        _modes(status.get("accessModes")) if bound else "",
        _class(obj),
        spec.get("volumeAttributesClassName") or "<unset>",
        age(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]


def _storage_class(obj: Object, now: float) -> Cells:
    annotations = obj["metadata"].get("annotations") or {}
    shown = name(obj) + (" (default)" if any(annotations.get(key) == "true" for key in _DEFAULT) else "")
    return [
        shown,
        obj.get("provisioner") or "",
        obj.get("reclaimPolicy") or "Delete",
        obj.get("volumeBindingMode") or "Immediate",
        bool(obj.get("allowVolumeExpansion")),
        age(obj, now),
    ]


def _attachment(obj: Object, now: float) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    volume = (spec.get("source") or {}).get("persistentVolumeName") or ""
    return [
        name(obj),
        spec.get("attacher") or "",
        volume,
        spec.get("nodeName") or "",
        bool(status.get("attached")),
        age(obj, now),
    ]


def _driver(obj: Object, now: float) -> Cells:
    spec = obj.get("spec") or {}
    audiences = ",".join(str(each.get("audience") or "") for each in spec.get("tokenRequests") or ())
    return [
        name(obj),
        spec.get("attachRequired") is not False,
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        audiences or "<unset>",
        bool(spec.get("requiresRepublish")),
        or_none(",".join(spec.get("volumeLifecycleModes") or ())),
        age(obj, now),
    ]


def _csi_node(obj: Object, now: float) -> Cells:
    return [name(obj), len((obj.get("spec") or {}).get("drivers") or ()), age(obj, now)]


def _capacity(obj: Object, now: float) -> Cells:
    return [name(obj), obj.get("storageClassName") or "", obj.get("capacity") or "<unset>"]


def _config_map(obj: Object, now: float) -> Cells:
    return [name(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, now)]


def _secret(obj: Object, now: float) -> Cells:
    return [name(obj), obj.get("type") or "", len(obj.get("data") or ()), age(obj, now)]


def _account(obj: Object, now: float) -> Cells:
    return [name(obj), len(obj.get("secrets") or ()), age(obj, now)]


_STORAGE = "storage.k8s.io"
COLUMNS: dict[tuple[str, str], Columns] = {
    ("", "configmaps"): columns("Name | Data | Age", _config_map),
    ("", "secrets"): columns("Name | Type | Data | Age", _secret),
    ("", "serviceaccounts"): columns("Name | Secrets | Age", _account),
    ("", "persistentvolumes"): columns(
        "Name | Capacity | Access Modes | Reclaim Policy | Status | Claim | StorageClass | VolumeAttributesClass | "
        "Reason | Age | VolumeMode+",
        _volume,
    ),
    ("", "persistentvolumeclaims"): columns(
        "Name | Status | Volume | Capacity | Access Modes | StorageClass | VolumeAttributesClass | Age | VolumeMode+",
        _claim,
    ),
    (_STORAGE, "storageclasses"): columns(
        "Name | Provisioner | ReclaimPolicy | VolumeBindingMode | AllowVolumeExpansion | Age", _storage_class
    ),
    (_STORAGE, "volumeattachments"): columns("Name | Attacher | PV | Node | Attached | Age", _attachment),
    (_STORAGE, "csidrivers"): columns(
        "Name | AttachRequired:boolean | PodInfoOnMount:boolean | StorageCapacity:boolean | TokenRequests | "
        "RequiresRepublish:boolean | Modes | Age",
        _driver,
    ),
    (_STORAGE, "csinodes"): columns("Name | Drivers:integer | Age", _csi_node),
    (_STORAGE, "csistoragecapacities"): columns("Name | StorageClassName | Capacity", _capacity),
}
