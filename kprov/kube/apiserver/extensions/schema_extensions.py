"""What the x-kubernetes words of a schema may be, and what a schema may say of metadata: upstream's rules for v1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, forbidden, invalid, not_supported, required

Schema = dict[str, Any]

_LIST, _MAP, _KEYS = "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-list-map-keys"
_PRESERVE, _EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"
_SCALARS = ("string", "integer", "number", "boolean")
_OF_METADATA = frozenset(("name", "generateName"))


def errors_of(schema: Schema, path: str) -> list[FieldError]:
    """What is wrong with the words of a whole schema, whose values are of the right types.

    Args:
        schema: the root.
        path: where it stands.
    """
    found = list(_errors(schema, path))
    if schema.get("additionalProperties") is not None:
        found.append(forbidden(f"{path}.additionalProperties", "must not be used at the root"))
    metadata = (schema.get("properties") or {}).get("metadata")
    if isinstance(metadata, dict):
        found += _metadata_errors(metadata, f"{path}.properties[metadata]")
    return found


def _metadata_errors(metadata: Schema, path: str) -> Iterator[FieldError]:
    known = metadata.get("properties") or {}
    if set(metadata) - {"type", "properties", "description"} or set(known) - _OF_METADATA:
        said = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(path, said)
    for name, each in known.items():
        if isinstance(each, dict) and each.get("default") is not None:
            yield forbidden(f"{path}.properties[{name}].default", "must not be set in top-level metadata")


def _errors(schema: Schema, path: str) -> Iterator[FieldError]:
    kind = schema.get("type")
    if schema.get(_PRESERVE) is False:
        yield invalid(f"{path}.{_PRESERVE}", False, "must be true or undefined")
    if schema.get(_EMBEDDED):
        if not schema.get("properties") and not schema.get(_PRESERVE):
            said = f"must not be empty if {_EMBEDDED} is true without {_PRESERVE}"
            yield required(f"{path}.properties", said)
        if kind != "object":
            yield required(f"{path}.type", f"must be object if {_EMBEDDED} is true")
    yield from _list_errors(schema, path)
    if (form := schema.get(_MAP)) is not None:
        if kind != "object":
            yield invalid(f"{path}.type", kind or "", f"must be object if {_MAP} is specified")
        elif form not in ("atomic", "granular"):
            yield not_supported(f"{path}.{_MAP}", form, ["atomic", "granular"])
    for name, each in (schema.get("properties") or {}).items():
        yield from _errors(each, f"{path}.properties[{name}]")
    for word in ("items", "additionalProperties"):
        if isinstance(each := schema.get(word), dict):
            yield from _errors(each, f"{path}.{word}")


def _list_errors(schema: Schema, path: str) -> Iterator[FieldError]:
    form, keys = schema.get(_LIST), schema.get(_KEYS) or []
    items = schema.get("items") if isinstance(schema.get("items"), dict) else {}
    if form is not None:
        if schema.get("type") != "array":
            yield invalid(f"{path}.type", schema.get("type") or "", f"must be array if {_LIST} is specified")
            return
        if form not in ("atomic", "set", "map"):
            yield not_supported(f"{path}.{_LIST}", form, ["atomic", "set", "map"])
    if keys and form != "map":
        yield required(f"{path}.{_LIST}", f"must be map if {_KEYS} is non-empty")
    elif form == "map" and not keys:
        yield required(f"{path}.{_KEYS}", f"must not be empty if {_LIST} is map")
    elif form == "map":
        yield from _key_errors(items or {}, keys, path)
    if form == "set" and items:
        for kinds, word, wanted in (("object", _MAP, items.get(_MAP)), ("array", _LIST, items.get(_LIST))):
            if items.get("type") == kinds and wanted != "atomic":
                said = f"must be atomic as item of a list with {_LIST}=set"
                yield invalid(f"{path}.items.{word}", wanted or "null", said)


def _key_errors(items: Schema, keys: list[str], path: str) -> Iterator[FieldError]:
    known = items.get("properties") or {}
    if items.get("type") != "object":
        yield invalid(f"{path}.items.type", items.get("type") or "", f"must be object if parent array's {_LIST} is map")
        return
    if any(key not in known for key in keys):
        yield invalid(f"{path}.{_KEYS}", keys, "entries must all be names of item properties")
    if len(set(keys)) < len(keys):
        yield invalid(f"{path}.{_KEYS}", keys, "must not contain duplicate entries")
    for key in dict.fromkeys(keys):
        field, here = known.get(key), f"{path}.items.properties[{key}]"
        if not isinstance(field, dict):
            continue
        if field.get("type") not in _SCALARS:
            said = f"must be a scalar type if parent array's {_LIST} is map"
            yield invalid(f"{here}.type", field.get("type") or "", said)
        if field.get("default") is None and key not in (items.get("required") or ()):
            said = f"this property is in {_KEYS}, so it must have a default or be a required property"
            yield required(f"{here}.default", said)
