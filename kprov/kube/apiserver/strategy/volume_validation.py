"""What is wrong with a pod's volumes."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, duplicate, forbidden, invalid, not_supported, required
from kprov.kube.apiserver.strategy.fields import name_errors, quantity_errors
from kprov.kube.apiserver.strategy.path_validation import backstep_errors, descending_path_errors

Object = dict[str, Any]

_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_HOST_PATH_TYPES = [
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
]  # fmt: skip
_ITEM_SOURCES = ("secret", "configMap", "downwardAPI")
# What must be given in each kind of source that only needs a few words.
_REQUIRED: dict[str, tuple[str, ...]] = {
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "gitRepo": ("repository",),
    "iscsi": ("targetPortal", "iqn"),
    "glusterfs": ("endpoints", "path"),
    "flocker": (),
    "persistentVolumeClaim": ("claimName",),
    "rbd": ("monitors", "image"),
    "cinder": ("volumeID",),
    "cephfs": ("monitors",),
    "flexVolume": ("driver",),
    "fc": (),
    "azureFile": ("secretName", "shareName"),
    "vsphereVolume": ("volumePath",),
    "quobyte": ("registry", "volume"),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "storageos": (),
    "scaleIO": ("gateway", "system", "volumeName"),
    "csi": ("driver",),
    "nfs": ("server", "path"),
    "image": ("reference",),
}
_KINDS = frozenset((*_REQUIRED, "emptyDir", "hostPath", "secret", "configMap", "downwardAPI", "projected", "ephemeral"))


def validate_volumes(volumes: list[Object], path: str) -> tuple[dict[str, Object], list[FieldError]]:
    """What is wrong with volumes.

    Returns:
        The good ones by name, and what is wrong with the others.
    """
    good: dict[str, Object] = {}
    found: list[FieldError] = []
    for index, volume in enumerate(volumes):
        here, name = f"{path}[{index}]", volume.get("name")
        errors = _validate_source(volume, here)
        errors += name_errors(name, f"{here}.name", label=True)
        if name in good:
            errors.append(duplicate(f"{here}.name", name))
        if errors:
            found += errors
        else:
            good[str(name)] = volume
    return good, found


def _validate_source(volume: Object, path: str) -> list[FieldError]:
    kinds = [kind for kind, source in volume.items() if kind in _KINDS and source is not None]
    if not kinds:
        return [required(path, "must specify a volume type")]
    found = [forbidden(f"{path}.{kind}", "may not specify more than 1 volume type") for kind in kinds[1:]]
    kind, source = kinds[0], volume[kinds[0]]
    here = f"{path}.{kind}"
    for field in _REQUIRED.get(kind, ()):
        if not source.get(field):
            found.append(required(f"{here}.{field}"))
    if kind in _ITEM_SOURCES:
        found += _validate_items(kind, source, here)
    elif kind == "projected":
        found += _validate_projected(source, here)
    elif kind == "hostPath":
        found += _validate_host_path(source, here)
    elif kind == "emptyDir" and source.get("sizeLimit") is not None:
        found += quantity_errors(source["sizeLimit"], f"{here}.sizeLimit")
    elif kind == "nfs" and source.get("path") and not str(source["path"]).startswith("/"):
        found.append(invalid(f"{here}.path", source["path"], "must be an absolute path"))
    elif kind == "ephemeral" and not source.get("volumeClaimTemplate"):
        found.append(required(f"{here}.volumeClaimTemplate"))
    return found


def _validate_host_path(source: Object, path: str) -> list[FieldError]:
    if not source.get("path"):
        return [required(f"{path}.path")]
    found = backstep_errors(source["path"], f"{path}.path")
    if (source.get("type") or "") not in _HOST_PATH_TYPES:
        found.append(not_supported(f"{path}.type", source["type"], _HOST_PATH_TYPES))
    return found


def _mode_errors(mode: Any, path: str) -> list[FieldError]:
    return [] if mode is None or 0 <= mode <= 0o777 else [invalid(path, mode, _MODE)]


_NAME_FIELD = {"secret": "secretName", "configMap": "name"}


def _validate_items(kind: str, source: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if kind in _NAME_FIELD and not source.get(_NAME_FIELD[kind]):
        found.append(required(f"{path}.{_NAME_FIELD[kind]}"))
    found += _mode_errors(source.get("defaultMode"), f"{path}.defaultMode")
    if kind == "downwardAPI":
        return found + _validate_downward(source, path)
    return found + _validate_keys(source, path)


def _validate_keys(source: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, item in enumerate(source.get("items") or ()):
        here = f"{path}.items[{index}]"
        if not item.get("key"):
            found.append(required(f"{here}.key"))
        found += _file_errors(item.get("path"), f"{here}.path")
        found += _mode_errors(item.get("mode"), f"{here}.mode")
    return found


def _file_errors(place: str | None, path: str) -> list[FieldError]:
    if not place:
        return [required(path)]
    found = descending_path_errors(place, path)
    if place.startswith("..") and not place.startswith("../"):
        found.append(invalid(path, place, "must not start with '..'"))
    return found


def _validate_downward(source: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, item in enumerate(source.get("items") or ()):
        here = f"{path}.items[{index}]"
        found += _file_errors(item.get("path"), f"{here}.path")
        if item.get("fieldRef") and item.get("resourceFieldRef"):
            found.append(invalid(here, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
        elif not item.get("fieldRef") and not item.get("resourceFieldRef"):
            found.append(required(here, "one of fieldRef and resourceFieldRef is required"))
        elif item.get("fieldRef") and not item["fieldRef"].get("fieldPath"):
            found.append(required(f"{here}.fieldRef.fieldPath"))
        elif item.get("resourceFieldRef"):
            for field in ("containerName", "resource"):
                if not item["resourceFieldRef"].get(field):
                    found.append(required(f"{here}.resourceFieldRef.{field}"))
        found += _mode_errors(item.get("mode"), f"{here}.mode")
    return found


def _validate_projected(source: Object, path: str) -> list[FieldError]:
    found = _mode_errors(source.get("defaultMode"), f"{path}.defaultMode")
    taken: set[str] = set()
    for index, projection in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{index}]"
        kinds = [kind for kind, part in projection.items() if part is not None]
        if len(kinds) > 1:
            found += [forbidden(f"{here}.{kind}", "may not specify more than 1 volume type") for kind in kinds[1:]]
        if not kinds:
            found.append(required(here, "must specify one source type"))
            continue
        kind, part = kinds[0], projection[kinds[0]]
        if kind in ("secret", "configMap"):
            if not part.get("name"):
                found.append(required(f"{here}.{kind}.name"))
            found += _validate_keys(part, f"{here}.{kind}")
        elif kind == "downwardAPI":
            found += _validate_downward(part, f"{here}.downwardAPI")
        elif kind == "serviceAccountToken":
            found += _validate_token(part, f"{here}.serviceAccountToken")
        places = [part["path"]] if part.get("path") else [item.get("path") for item in part.get("items") or ()]
        for place in places:
            if place in taken:
                found.append(invalid(f"{here}.path", place, "conflicting duplicate paths"))
            taken.add(place)
    return found


def _validate_token(part: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    seconds = part.get("expirationSeconds")
    if seconds is not None and seconds < 600:
        found.append(invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    elif seconds is not None and seconds > 1 << 32:
        found.append(
            invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
        )
    if not part.get("path"):
        found.append(required(f"{path}.path"))
    else:
        found += descending_path_errors(part["path"], f"{path}.path")
    return found
