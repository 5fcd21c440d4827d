"""Upstream's published schemas, as the package kubernetes-validate carries them, back in OpenAPI's own form.

The package rewrites them for validators: optional types also allow null, and apiVersion and kind are enumerations. Both
are undone here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

Schema = dict[str, Any]

RELEASE = "v1.32.0"
_REFERENCE = "#/$defs/"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"


def published() -> dict[str, Schema]:
    """Every definition of the release, by its name, as the package has it."""
    import kubernetes_validate

    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    found: dict[str, Schema] = orjson.loads((folder / f"{RELEASE}-local" / "_definitions.json").read_bytes())["$defs"]
    return found


def restored(schema: Any, prefix: str) -> Any:
    """A schema as upstream publishes it, its references under ``prefix`` ("#/definitions/")."""
    if isinstance(schema, list):
        return [restored(item, prefix) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result: Schema = {}
    for key, value in schema.items():
        if key == "type" and isinstance(value, list):
            result[key] = next((kind for kind in value if kind != "null"), "object")
        elif key == "$ref":
            result[key] = prefix + value.removeprefix(_REFERENCE)
        elif key == "properties":
            result[key] = {name: _property(name, item, prefix) for name, item in value.items()}
        else:
            result[key] = restored(value, prefix)
    return result


def _property(name: str, schema: Any, prefix: str) -> Any:
    back = restored(schema, prefix)
    if name in ("apiVersion", "kind") and isinstance(back, dict):
        back.pop("enum", None)
    return back


def definition(name: str, schema: Schema, prefix: str, *, version: int) -> Schema:
    """One named definition for OpenAPI 2 or 3; two kinds of values are written differently in each."""
    back: Schema = restored(schema, prefix)
    if name == _QUANTITY:
        back.pop("oneOf", None)
        return {**back, **({"type": "string"} if version == 2 else {"oneOf": [{"type": "string"}, {"type": "number"}]})}
    if name == _INT_OR_STRING:
        back.pop("oneOf", None)
        kinds = {"oneOf": [{"type": "integer"}, {"type": "string"}]}
        return {**back, "format": "int-or-string", **({"type": "string"} if version == 2 else kinds)}
    return back


def references(schema: Any) -> Iterator[str]:
    """The names of the definitions that a schema (as published) leads to directly."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rsplit("/", 1)[-1]
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from references(item)


def reachable(names: Iterable[str], definitions: dict[str, Schema]) -> dict[str, Schema]:
    """The named definitions and all that they lead to."""
    found: dict[str, Schema] = {}
    left = [name for name in names if name in definitions]
    while left:
        name = left.pop()
        if name not in found:
            found[name] = definitions[name]
            left += [each for each in references(definitions[name]) if each in definitions]
    return dict(sorted(found.items()))


def names_by_kind(definitions: dict[str, Schema]) -> dict[tuple[str, str, str], str]:
    """(group, version, kind) -> the definition's name. Kinds that all groups share go by their own group alone."""
    found = {}
    for name, schema in definitions.items():
        kinds: list[dict[str, str]] = schema.get(GROUP_VERSION_KIND) or []
        if len(kinds) == 1:
            found[kinds[0]["group"], kinds[0]["version"], kinds[0]["kind"]] = name
    return found
