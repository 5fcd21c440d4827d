"""Structural schemas at work: what they do not know is dropped, what they have a default for is filled in.

Both walk an object along an OpenAPI v3 schema as a CustomResourceDefinition holds it. apiVersion, kind and metadata of
the object itself, and of resources embedded in it, belong to nobody's schema and are always kept.
"""

from __future__ import annotations

import copy
from typing import Any

Object = dict[str, Any]
Schema = dict[str, Any]

_META = frozenset({"apiVersion", "kind", "metadata"})


def prune(value: Any, schema: Schema, unknown: list[str], path: str = "", *, resource: bool = True) -> None:
    """Drop what a schema does not specify, in place.

    Args:
        value: an object or a part of one.
        schema: its schema.
        unknown: gets the path of each field that was dropped.
        path: where the value lies.
        resource: whether apiVersion, kind and metadata are kept here whatever the schema says.
    """
    if isinstance(value, dict):
        known, others = schema.get("properties") or {}, schema.get("additionalProperties")
        keeps = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
        resource = resource or bool(schema.get("x-kubernetes-embedded-resource"))
        for name in list(value):
            below = f"{path}.{name}" if path else name
            if resource and name in _META:
                continue
            if name in known:
                prune(value[name], known[name], unknown, below, resource=False)
            elif isinstance(others, dict):
                prune(value[name], others, unknown, f"{path}.{name}" if path else name, resource=False)
            elif not (others is True or keeps):
                del value[name]
                unknown.append(below)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            prune(item, schema["items"], unknown, f"{path}[{index}]", resource=False)


def default(value: Any, schema: Schema) -> None:
    """Fill in a schema's defaults, in place; a null where null is not allowed goes, and counts as missing."""
    if isinstance(value, dict):
        for name, below in (schema.get("properties") or {}).items():
            if name in value and value[name] is None and not below.get("nullable"):
                del value[name]
            if name not in value and "default" in below:
                value[name] = copy.deepcopy(below["default"])
            if name in value:
                default(value[name], below)
        others = schema.get("additionalProperties")
        if isinstance(others, dict):
            known = schema.get("properties") or {}
            for name in [name for name in value if name not in known]:
                if value[name] is None and not others.get("nullable"):
                    del value[name]
                else:
                    default(value[name], others)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            default(item, schema["items"])
