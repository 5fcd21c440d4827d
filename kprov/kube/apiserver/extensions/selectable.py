"""selectableFields of custom kinds: which fields of theirs a field selector may name, besides name and namespace."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kprov.kube.apiserver.strategy.base import FieldError, duplicate, forbidden, invalid, required, too_many

Object = dict[str, Any]

_PATH = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_-]*)+")
_TYPES = ("string", "integer", "boolean")
_MOST = 8


def paths_of(version: Object) -> tuple[str, ...]:
    """The fields of a version (``spec.color``) by which its objects are selected."""
    return tuple(str(each.get("jsonPath") or "").removeprefix(".") for each in version.get("selectableFields") or ())


def values(obj: Object, paths: Iterable[str]) -> dict[str, str]:
    """What an object has in these fields, as selectors compare it; nothing is the empty text."""
    return {path: _text(_at(obj, path)) for path in paths}


def _at(obj: Any, path: str) -> Any:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def errors_of(version: Object, path: str, *, converted: bool) -> list[FieldError]:
    """What is wrong with a version's selectable fields, as upstream judges them.

    Args:
        version: the version, as the definition holds it.
        path: where its selectableFields lie.
        converted: whether a webhook converts between versions. Selectors look at objects as they are stored; only
            where all versions have one shape is that what the client sees, so kprov refuses them here.
    """
    fields = version.get("selectableFields") or []
    found: list[FieldError] = []
    if fields and converted:
        text = "kprov implements selectable fields for kinds whose spec.conversion.strategy is None"
        return [forbidden(path, text)]
    if len(fields) > _MOST:
        found.append(too_many(path, len(fields), _MOST))
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    for index, each in enumerate(fields):
        here, wanted = f"{path}[{index}].jsonPath", each.get("jsonPath") or ""
        if not wanted:
            found.append(required(here))
        elif any(wanted == other.get("jsonPath") for other in fields[:index]):
            found.append(duplicate(here, wanted))
        elif not _PATH.fullmatch(wanted):
            found.append(invalid(here, wanted, "is an invalid path: must be a simple path of fields, as .spec.color"))
        elif wanted.startswith(".metadata"):
            found.append(invalid(here, wanted, "must not point to fields in metadata"))
        elif problem := _schema_problem(schema, wanted.removeprefix(".").split(".")):
            found.append(invalid(here, wanted, problem))
    return found


def _schema_problem(schema: Object, parts: list[str]) -> str:
    for part in parts:
        below = (schema.get("properties") or {}).get(part)
        if not isinstance(below, dict):
            return "is an invalid path: does not refer to a valid field"
        schema = below
    if schema.get("type") not in _TYPES:
        return "must point to a field of type string, boolean or integer"
    return ""
