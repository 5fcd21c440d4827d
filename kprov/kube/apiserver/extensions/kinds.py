"""Custom kinds as the rest of the server sees them: rows of the table of kinds, with strategy, columns and scale."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from kprov.kube.apiserver.columns.table import Columns
from kprov.kube.apiserver.extensions.columns import columns_of
from kprov.kube.apiserver.extensions.definition_versions import to_v1
from kprov.kube.apiserver.extensions.selectable import paths_of
from kprov.kube.apiserver.resources.info import ResourceInfo

Object = dict[str, Any]
Schema = dict[str, Any]

_SCALE = {"scale": ("autoscaling", "v1", "Scale")}


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where an object keeps what its Scale shows."""

    spec_replicas: str
    status_replicas: str
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class CustomKind:
    """What one CustomResourceDefinition makes."""

    info: ResourceInfo
    uid: str
    schemas: dict[str, Schema]  # by served version; empty where none is given
    preserves_unknown: bool  # spec.preserveUnknownFields: nothing is pruned
    columns: dict[str, Columns] = field(compare=False)
    printed: dict[str, list[Object]]  # what ``columns`` is made of
    scale: dict[str, ScalePaths]
    terminating: bool
    webhook: Object | None  # spec.conversion.webhook, where the strategy is Webhook
    deprecated: dict[str, str]  # version -> what its users are told
    selectable: dict[str, tuple[str, ...]]  # version -> fields that selectors may name
    as_stored: bool
    """Whether what lies in etcd can be handed out as it is: in the one version there is, with no defaults to add.

    What was stored before the stored version changed, or before a default was written, is not what it should be.
    """
    memo: dict[tuple[str, bytes], Object] = field(default_factory=dict, compare=False)  # extensions/conversion.py

    def schema(self, version: str) -> Schema:
        """The schema of a version; the stored one's where that version is not served."""
        return self.schemas.get(version) or {}


def _has_defaults(schema: Schema) -> bool:
    below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return "default" in schema or any(isinstance(each, dict) and _has_defaults(each) for each in below)


def custom_kind(definition: Object) -> CustomKind:
    """The kind of a definition (apiextensions.k8s.io/v1)."""
    if definition["apiVersion"].endswith("/v1beta1"):  # as upstream 1.20 stores them
        definition = to_v1(definition)
    spec = definition["spec"]
    names = (definition.get("status") or {}).get("acceptedNames") or spec["names"]
    served = [version for version in spec["versions"] if version.get("served")]
    stored = next(version["name"] for version in spec["versions"] if version.get("storage"))
    subresources = sorted({name for version in served for name in version.get("subresources") or {}})
    info = ResourceInfo(
        group=spec["group"],
        versions=tuple(sorted((version["name"] for version in served), key=version_rank)),
        plural=names["plural"],
        kind=names["kind"],
        singular=names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(subresources),
        storage_prefix=f"{spec['group']}/{names['plural']}",
        storage_group=spec["group"],
        storage_version=stored,
        tracks_generation=True,
        unconditional_update=False,
        subresource_kinds=_SCALE if "scale" in subresources else {},
    )
    schemas = {
        version["name"]: (version.get("schema") or {}).get("openAPIV3Schema") or {} for version in spec["versions"]
    }
    printed = {version["name"]: version.get("additionalPrinterColumns") or [] for version in spec["versions"]}
    return CustomKind(
        info,
        definition["metadata"]["uid"],
        schemas,
        bool(spec.get("preserveUnknownFields")),
        {name: columns_of(wanted) for name, wanted in printed.items()},
        printed,
        {version["name"]: _scale_paths(version["subresources"]["scale"]) for version in served
         if "scale" in (version.get("subresources") or {})},
        bool(definition["metadata"].get("deletionTimestamp")),
        _webhook(spec.get("conversion") or {}),
        {version["name"]: _warning(info, version) for version in served if version.get("deprecated")},
        {version["name"]: paths_of(version) for version in served},
        len(schemas) == 1 and not any(map(_has_defaults, schemas.values())),
    )  # fmt: skip


def _webhook(conversion: Object) -> Object | None:
    return (conversion.get("webhook") or {}) if conversion.get("strategy") == "Webhook" else None


def _warning(info: ResourceInfo, version: Object) -> str:
    told = f"{info.group}/{version['name']} {info.kind} is deprecated"
    return str(version.get("deprecationWarning") or told)


def _scale_paths(scale: Object) -> ScalePaths:
    return ScalePaths(scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath", ""))


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts versions as upstream does: v10, v2, v1, v3beta1, v1alpha2, then others by name."""
    found = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if not found:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (stage, -int(found[1]), -int(found[3] or 0), "")


_KINDS: dict[tuple[str, str], CustomKind] = {}


def find(group: str, plural: str) -> CustomKind | None:
    """A custom kind that is served, or None."""
    return _KINDS.get((group, plural))


def all_kinds() -> list[CustomKind]:
    """Every custom kind that is served."""
    return list(_KINDS.values())


def serve(kind: CustomKind) -> None:
    """Serve a kind, or what it has become."""
    from kprov.kube.apiserver.resources import table

    _KINDS[kind.info.key] = kind
    table.add(kind.info, version_rank)


def forget(key: tuple[str, str]) -> CustomKind | None:
    """Serve a kind no longer; returns it, if it was served."""
    from kprov.kube.apiserver.resources import table

    gone = _KINDS.pop(key, None)
    if gone is not None:
        table.remove(key, version_rank)
    return gone
