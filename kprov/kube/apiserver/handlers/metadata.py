"""What the server does to every object's metadata, and what it refuses there."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from typing import Any

from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.strategy.base import FieldError, Strategy, forbidden, invalid, required
from kprov.kube.apiserver.strategy.fields import annotation_errors, label_errors, qualified_name_errors

Object = dict[str, Any]

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_MAX_GENERATED = 63 - 5
_STANDARD_FINALIZERS = frozenset(("kubernetes", "orphan", "foregroundDeletion"))
# Kinds whose validation upstream has outside its core: a finalizer of theirs may be any name, as one of custom kinds.
_ANY_FINALIZER = frozenset(
    ("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "coordination.k8s.io",
     "events.k8s.io", "node.k8s.io", "policy")
)  # fmt: skip
_NO_OWNER = ("v1", "Event")


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
    for name in ("creationTimestamp", "generation"):
        if name in kept:
            metadata[name] = kept[name]
        else:
            metadata.pop(name, None)
    if not metadata.get("uid") and "uid" in kept:
        metadata["uid"] = kept["uid"]
    if "deletionTimestamp" in kept:  # that of an object that is not being deleted is refused later
        metadata["deletionTimestamp"] = kept["deletionTimestamp"]
    if metadata.get("deletionGracePeriodSeconds") is None and "deletionGracePeriodSeconds" in kept:
        metadata["deletionGracePeriodSeconds"] = kept["deletionGracePeriodSeconds"]
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


def _as_name(start: str) -> str:
    """What a name begins with, as a name: it may end with a hyphen."""
    return f"{start[:-2]}a" if len(start) > 1 and start.endswith("-") else start


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
    if (start := metadata.get("generateName")) and (problem := strategy.name_error(_as_name(start))):
        found.insert(0, invalid("metadata.generateName", start, problem))
    if metadata.get("labels"):
        found += label_errors(metadata["labels"], "metadata.labels")
    if metadata.get("annotations"):
        found += annotation_errors(metadata["annotations"], "metadata.annotations")
    found += _owner_errors(metadata.get("ownerReferences"))
    return found + _finalizer_errors(metadata.get("finalizers") or [], info)


def _finalizer_errors(finalizers: list[str], info: ResourceInfo) -> list[FieldError]:
    path, found = "metadata.finalizers", list[FieldError]()
    for finalizer in finalizers:
        found += [invalid(path, finalizer, problem) for problem in qualified_name_errors(finalizer)]
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        given = ", ".join(f'"{each}"' for each in finalizers)
        told = f"Invalid value: []string{{{given}}}: finalizer orphan and foregroundDeletion cannot be both set"
        found.append(FieldError(path, "FieldValueInvalid", told))
    if info.key == ("", "events") or info.group in _ANY_FINALIZER or kinds.find(*info.key) is not None:
        return found
    told = "name is neither a standard finalizer name nor is it fully qualified"
    return found + [
        invalid(f"{path}[{index}]", finalizer, told)
        for index, finalizer in enumerate(finalizers)
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS
    ]


def _owner_errors(owners: Any) -> list[FieldError]:
    path, found = "metadata.ownerReferences", list[FieldError]()
    controllers = []
    for owner in owners or ():
        version = str(owner.get("apiVersion") or "")
        if version.count("/") > 1 or not version.rpartition("/")[2]:
            found.append(invalid(f"{path}.apiVersion", version, "version must not be empty"))
        for name in ("kind", "name", "uid"):
            if not owner.get(name):
                found.append(invalid(f"{path}.{name}", owner.get(name, ""), f"{name} must not be empty"))
        if (version, owner.get("kind")) == _NO_OWNER:
            found.append(invalid(path, owner, f"/{version}, Kind={owner['kind']} is disallowed from being an owner"))
        if owner.get("controller"):
            controllers.append(owner.get("name"))
    if len(controllers) > 1:
        found.append(
            invalid(
                path,
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
    for name in ("name", "namespace", "uid", "deletionGracePeriodSeconds"):
        if (metadata.get(name) or None) != (kept.get(name) or None):
            found.append(invalid(f"metadata.{name}", metadata.get(name), "field is immutable"))
    if metadata.get("deletionTimestamp") != kept.get("deletionTimestamp"):
        moment = datetime.fromisoformat(metadata["deletionTimestamp"]).astimezone(UTC)
        told = f"Invalid value: {moment:%Y-%m-%d %H:%M:%S} +0000 UTC: field is immutable"
        found.append(FieldError("metadata.deletionTimestamp", "FieldValueInvalid", told))
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
