"""The shapes of values, for the ownership of fields: what is one leaf, and what is owned part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.protobuf.table import fields_of, message_of
from kprov.kube.apiserver.resources.info import ResourceInfo

# What upstream's types fill in for a key that is left out.
KEY_DEFAULTS: Mapping[str, Any] = {"protocol": "TCP"}


class Form(Enum):
    """How a value is owned."""

    LEAF = "leaf"  # as a whole
    STRUCT = "struct"  # field by field; the fields are the type's
    MAP = "map"  # key by key; the keys are data
    SET = "set"  # a list: value by value
    KEYED = "keyed"  # a list of objects: each by its keys, and within it field by field
    FREE = "free"  # of no known type: maps key by key, everything else as a whole


@dataclass(frozen=True, slots=True)
class Shape:
    """A value's shape.

    ``message`` names the type of a struct, or ``fields`` are its fields; ``keys`` are a keyed list's, and
    ``key_defaults`` what they are where an item leaves one out; ``element`` is the shape of what a map or a list holds.
    """

    form: Form
    message: str = ""
    keys: tuple[str, ...] = ()
    element: Shape | None = None
    fields: Mapping[str, Shape] | None = field(default=None, hash=False)
    key_defaults: Mapping[str, Any] = field(default_factory=lambda: KEY_DEFAULTS, hash=False)

    def child(self, name: str) -> Shape:
        """The shape of a struct's field or of a map's value."""
        if self.fields is not None:
            return self.fields.get(name, FREE)
        if self.form is Form.STRUCT:
            return _field(self.message, name)
        return self.element or FREE

    def has_field(self, name: str) -> bool:
        """Whether the type has a field of that name (a map's keys are no fields)."""
        if self.fields is not None:
            return name in self.fields
        return self.form is Form.STRUCT and name in (fields_of(self.message) or {})


LEAF = Shape(Form.LEAF)
FREE = Shape(Form.FREE)

_LEAVES = frozenset({"s", "n", "h", "b", "y", "f", "Time", "MicroTime", "Duration", "IntOrString", "Quantity"})


@cache
def _lists() -> dict[str, Any]:
    table: dict[str, Any] = orjson.loads((Path(__file__).parent / "lists.json").read_bytes())
    table["atomic"] = frozenset(table["atomic"])
    return table


@cache
def _type(kind: str) -> Shape:
    if kind in _LEAVES or kind in _lists()["atomic"]:
        return LEAF
    if "." not in kind:
        return FREE
    fields = fields_of(kind)
    if fields is None:
        return FREE
    return LEAF if "" in fields else Shape(Form.STRUCT, kind)  # "": a list that Go gives a name


@cache
def _field(message: str, name: str) -> Shape:
    field = (fields_of(message) or {}).get(name)
    if field is None:
        return FREE
    kind, flags = field
    rule = _lists()["fields"].get(message, {}).get(name)
    if rule == "atomic":
        return LEAF
    if "m" in flags:
        return Shape(Form.MAP, element=_type(kind))
    if "l" in flags:
        if rule is None:
            return LEAF
        return Shape(Form.SET) if rule == "set" else Shape(Form.KEYED, keys=tuple(rule), element=_type(kind))
    return _type(kind)


def shape_of(info: ResourceInfo, version: str) -> Shape:
    """The shape of a kind's objects in one of its versions."""
    custom = kinds.find(info.group, info.plural)
    if custom is not None:
        return _custom_root(custom, version)
    message = message_of(info.group, version, info.kind) or message_of(info.group, info.versions[0], info.kind)
    return Shape(Form.STRUCT, message) if message else FREE


def _custom_root(custom: kinds.CustomKind, version: str) -> Shape:
    key = (custom.info.key, version)
    kept = _custom.get(key)
    if kept is None or kept[0] is not custom:  # the definition has changed
        root = of_schema(custom.schema(version))
        fields = {**(root.fields or {}), "apiVersion": LEAF, "kind": LEAF, "metadata": _type(_METADATA)}
        kept = _custom[key] = (custom, Shape(Form.STRUCT, fields=fields))
    return kept[1]


_METADATA = "meta.v1.ObjectMeta"
_custom: dict[tuple[tuple[str, str], str], tuple[kinds.CustomKind, Shape]] = {}


def of_schema(schema: Mapping[str, Any]) -> Shape:
    """The shape that a structural schema describes, by its x-kubernetes-list-type and x-kubernetes-map-type."""
    kind = schema.get("type")
    if kind == "object":
        if schema.get("x-kubernetes-map-type") == "atomic":
            return LEAF
        if properties := schema.get("properties"):
            fields = {name: of_schema(each) for name, each in properties.items()}
            if schema.get("x-kubernetes-embedded-resource"):
                fields["metadata"] = _type(_METADATA)
            return Shape(Form.STRUCT, fields=fields)
        values = schema.get("additionalProperties")
        return Shape(Form.MAP, element=of_schema(values)) if isinstance(values, dict) else FREE
    if kind == "array":
        items = of_schema(schema.get("items") or {})
        match schema.get("x-kubernetes-list-type"):
            case "set":
                return Shape(Form.SET)
            case "map":
                keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
                known = (schema.get("items") or {}).get("properties") or {}
                defaults = {key: known[key]["default"] for key in keys if "default" in known.get(key, {})}
                return Shape(Form.KEYED, keys=keys, element=items, key_defaults=defaults)
        return LEAF
    return FREE if schema.get("x-kubernetes-preserve-unknown-fields") else LEAF
