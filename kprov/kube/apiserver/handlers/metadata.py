"""What the server does to every object's metadata, and what it refuses there."""

from __future__ import annotations

import random
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.strategy.base import FieldError, Strategy, forbidden, invalid, required

Object = dict[str, Any]

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_MAX_GENERATED = 63 - 5
_QUALIFIED = re.compile(r"(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?"
                        r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")  # fmt: skip
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_NAME_PART_HELP = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_HELP = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_ANNOTATIONS_LIMIT = 256 << 10


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fill_for_create(obj: Object, info: ResourceInfo) -> None:
    """Set what the server decides about a new object."""
    metadata = obj["metadata"]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation"):
        metadata.pop(name, None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = now()
    if info.tracks_generation:
        metadata["generation"] = 1
    _drop_empty(metadata)


def generate_name(metadata: Object) -> None:
    """Give a name to an object that asks for one."""
    if metadata.get("generateName") and not metadata.get("name"):
        base = metadata["generateName"][:_MAX_GENERATED]
        metadata["name"] = base + "".join(random.choices(_SUFFIX, k=5))


def keep_for_update(obj: Object, old: Object) -> None:
    """Keep what only the server decides about an object that exists."""
    metadata, kept = obj["metadata"], old["metadata"]
    for name in (
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
    ):
        if name in kept:
            metadata[name] = kept[name]
        else:
            metadata.pop(name, None)
    metadata.pop("selfLink", None)
    metadata["resourceVersion"] = kept["resourceVersion"]
    _drop_empty(metadata)


def _drop_empty(metadata: Object) -> None:
    for name in ("labels", "annotations", "finalizers", "ownerReferences", "managedFields"):
        if name in metadata and not metadata[name]:
            del metadata[name]


def count_generation(obj: Object, old: Object, info: ResourceInfo) -> None:
    """Raise the generation where more than metadata and status differs."""
    if not info.tracks_generation:
        return
    before = {key: value for key, value in old.items() if key not in ("metadata", "status")}
    after = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    if before != after:
        obj["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def _labels_errors(labels: Any, path: str) -> list[FieldError]:
    if not isinstance(labels, dict):
        return [invalid(path, labels, "must be a map of strings")]
    found = []
    for key, value in labels.items():
        found += _key_errors(key, path)
        if not isinstance(value, str):
            found.append(invalid(path, value, "must be a string"))
        elif len(value) > 63:
            found.append(invalid(path, value, "must be no more than 63 characters"))
        elif not _LABEL_VALUE.fullmatch(value):
            found.append(invalid(path, value, _VALUE_HELP))
    return found


def _key_errors(key: str, path: str) -> list[FieldError]:
    if _QUALIFIED.fullmatch(key):
        return []
    name = key.rpartition("/")[2]
    return [invalid(path, key, "name part must be non-empty" if not name else _NAME_PART_HELP)]


def _annotation_errors(annotations: Any, path: str) -> list[FieldError]:
    if not isinstance(annotations, dict):
        return [invalid(path, annotations, "must be a map of strings")]
    found, size = [], 0
    for key, value in annotations.items():
        found += _key_errors(key.lower(), path)
        if not isinstance(value, str):
            found.append(invalid(f"{path}[{key}]", value, "must be a string"))
        else:
            size += len(key.encode()) + len(value.encode())
    if size > _ANNOTATIONS_LIMIT:
        found.append(
            FieldError(path, "FieldValueTooLong", f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes")
        )
    return found


def errors_of(obj: Object, info: ResourceInfo, strategy: Strategy) -> list[FieldError]:
    """What is wrong with an object's metadata."""
    metadata = obj["metadata"]
    found: list[FieldError] = []
    name = metadata.get("name")
    if not name:
        found.append(required("metadata.name", "name or generateName is required"))
    elif not isinstance(name, str):
        found.append(invalid("metadata.name", name, "must be a string"))
    elif problem := strategy.name_error(name):
        found.append(invalid("metadata.name", name, problem))
    if metadata.get("labels"):
        found += _labels_errors(metadata["labels"], "metadata.labels")
    if metadata.get("annotations"):
        found += _annotation_errors(metadata["annotations"], "metadata.annotations")
    found += _owner_errors(metadata.get("ownerReferences"))
    for index, finalizer in enumerate(metadata.get("finalizers") or ()):
        if not isinstance(finalizer, str) or not _QUALIFIED.fullmatch(finalizer):
            found.append(invalid(f"metadata.finalizers[{index}]", finalizer, _NAME_PART_HELP))
    return found


def _owner_errors(owners: Any) -> list[FieldError]:
    found: list[FieldError] = []
    if owners is not None and not isinstance(owners, list):
        return [invalid("metadata.ownerReferences", owners, "must be a list")]
    controllers = []
    for index, owner in enumerate(owners or ()):
        path = f"metadata.ownerReferences[{index}]"
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                found.append(invalid(f"{path}.{name}", owner.get(name, ""), f"{name} must not be empty"))
        if owner.get("controller"):
            controllers.append(owner.get("name"))
    if len(controllers) > 1:
        found.append(
            invalid(
                "metadata.ownerReferences",
                controllers,
                "Only one reference can have Controller set to true. Found "
                f'"true" in references for {controllers[0]} and {controllers[1]}',
            )
        )
    return found


def update_errors(obj: Object, old: Object) -> list[FieldError]:
    """What is wrong with a change of metadata."""
    metadata, kept = obj["metadata"], old["metadata"]
    found: list[FieldError] = []
    for name in ("name", "namespace"):
        if metadata.get(name) != kept.get(name):
            found.append(invalid(f"metadata.{name}", metadata.get(name), "field is immutable"))
    if kept.get("deletionTimestamp"):
        added = [item for item in metadata.get("finalizers") or () if item not in (kept.get("finalizers") or ())]
        if added:
            shown = ", ".join(f'"{item}"' for item in added)
            found.append(
                forbidden(
                    "metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, found new finalizers "
                    f"[]string{{{shown}}}",
                )
            )
    return found
