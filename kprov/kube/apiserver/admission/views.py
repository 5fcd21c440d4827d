"""A write as those see it who are asked about it: webhooks and policies."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.admission.attributes import AdmissionAttributes
from kprov.kube.apiserver.authentication.objects import NAMESPACES, ObjectReader
from kprov.kube.apiserver.extensions.conversion import Conversion
from kprov.kube.apiserver.versions import from_storage

Object = dict[str, Any]


def namespace_of(store: ObjectReader, attrs: AdmissionAttributes) -> Object | None:
    """The namespace that a write is in, or that is written itself; None where there is none."""
    if attrs.resource_info.key == NAMESPACES:
        return attrs.obj if attrs.obj is not None and attrs.obj.get("kind") == "Namespace" else attrs.old_obj
    return store.cached_get(NAMESPACES, "", attrs.namespace) or {} if attrs.namespace else None


def namespace_labels(store: ObjectReader, attrs: AdmissionAttributes) -> Object | None:
    """The labels of a write's namespace; None where it is in none."""
    found = namespace_of(store, attrs)
    if found is None and attrs.resource_info.key != NAMESPACES:
        return None
    return ((found or {}).get("metadata") or {}).get("labels") or {}


async def in_version(
    conversion: Conversion, attrs: AdmissionAttributes, version: str, obj: Object | None
) -> Object | None:
    """A write's object (the new one or the old one) in the version that somebody wants to see."""
    info = attrs.resource_info
    # A subresource's own kinds (Eviction, Binding, options of a connect) have no other version.
    if obj is None or obj.get("kind") != info.kind:
        return obj
    return from_storage(info, version, await conversion.object(info, obj, version))
