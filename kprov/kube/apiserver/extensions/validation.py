"""Holds a value against an OpenAPI v3 schema; what is wrong is told in upstream's words.

What was wrong before an update and is not touched by it may stay: a schema that has become stricter does not keep
anybody from changing the rest of an object that is older (upstream calls it ratcheting).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
import uuid
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from kprov.kube.apiserver.regular_expressions import PatternError, pattern_of
from kprov.kube.apiserver.strategy.base import FieldError, invalid, not_supported, required

Schema = dict[str, Any]

_MAX_ERRORS = 64
NEW: Any = object()
"""Stands for what a value was, where it was not."""


def errors_of(value: Any, schema: Schema, path: str = "", old: Any = NEW) -> list[FieldError]:
    """What is wrong with a value, the first few dozen things.

    Args:
        value: the value.
        schema: what it has to be like.
        path: where it stands.
        old: what stood there before; what has not changed since is not found wrong.
    """
    found: list[FieldError] = []
    for error in _errors(value, schema, path, old):
        found.append(error)
        if len(found) == _MAX_ERRORS:
            break
    return found


def fits(value: Any, schema: Schema) -> bool:
    """Whether nothing is wrong with a value."""
    return next(_errors(value, schema, ""), None) is None


def _errors(value: Any, schema: Schema, path: str, old: Any = NEW) -> Iterator[FieldError]:
    errors = _found(value, schema, path, old)
    first = next(errors, None)
    if first is not None and (old is NEW or not _same(value, old)):
        yield first
        yield from errors


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one, of the same types: Python takes true for 1, and 1.0 for 1."""
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _found(value: Any, schema: Schema, path: str, old: Any) -> Iterator[FieldError]:
    if value is None and schema.get("nullable"):
        return
    kind = _type_of(value)
    wanted = ("integer", "string") if schema.get("x-kubernetes-int-or-string") else _types(schema)
    if wanted and kind not in wanted and not (kind == "integer" and "number" in wanted):
        said = "integer,string" if len(wanted) > 1 else wanted[0]
        yield invalid(_place(path), kind, f'{_body(path)} must be of type {said}: "{kind}"')
        return
    if "enum" in schema and value not in schema["enum"]:
        yield not_supported(_place(path), value, [e if isinstance(e, str) else json.dumps(e) for e in schema["enum"]])
    if kind in ("integer", "number"):
        yield from _number(value, schema, path)
    elif kind == "string":
        yield from _string(value, schema, path)
    elif kind == "array":
        yield from _array(value, schema, path, old)
    elif kind == "object":
        yield from _object(value, schema, path, old)
    yield from _junctors(value, schema, path)


def _types(schema: Schema) -> tuple[str, ...]:
    kind = schema.get("type")
    return (kind,) if kind else ()


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _place(path: str) -> str:
    return path or "<nil>"


def _body(path: str) -> str:
    return f"{path} in body"


def _number(value: float, schema: Schema, path: str) -> Iterator[FieldError]:
    low, high, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if high is not None and (value >= high if schema.get("exclusiveMaximum") else value > high):
        than = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield invalid(path, value, f"{_body(path)} should be {than} {high:g}")
    if low is not None and (value <= low if schema.get("exclusiveMinimum") else value < low):
        than = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid(path, value, f"{_body(path)} should be {than} {low:g}")
    if step and abs(value / step - round(value / step)) > 1e-9:
        yield invalid(path, value, f"{_body(path)} should be a multiple of {step:g}")
    bits = {"int32": 31, "int64": 63}.get(schema.get("format", ""))
    if bits and not -(1 << bits) <= value < 1 << bits:
        yield invalid(path, value, f"{_body(path)} must be of type {schema['format']}: {value}")


def pattern_error(text: str) -> str | None:
    """What is wrong with a regular expression, or None."""
    try:
        pattern_of(text)
    except PatternError as error:
        return f"must be a valid regular expression, but isn't: {error}"
    return None


def _matches(text: str, value: str) -> bool:
    try:
        return bool(pattern_of(text).search(value))
    except PatternError:  # of a definition that another server took
        return True


def _string(value: str, schema: Schema, path: str) -> Iterator[FieldError]:
    if (most := schema.get("maxLength")) is not None and len(value) > most:
        yield invalid(path, value, f"{_body(path)} should be at most {most} chars long")
    if (least := schema.get("minLength")) is not None and len(value) < least:
        yield invalid(path, value, f"{_body(path)} should be at least {least} chars long")
    if (text := schema.get("pattern")) and not _matches(text, value):
        yield invalid(path, value, f"{_body(path)} should match '{text}'")
    check = _FORMATS.get(schema.get("format", ""))
    if check is not None and not _holds(check, value):
        yield invalid(path, value, f'{_body(path)} must be of type {schema["format"]}: "{value}"')


def _holds(check: Any, value: str) -> bool:
    try:
        return check(value) is not False
    except (ValueError, binascii.Error):
        return False


_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*")


def _is_date_time(text: str) -> bool:
    text = text.upper()
    return "T" in text and bool(datetime.fromisoformat(text)) and bool(re.search(r"(Z|[+-]\d\d:\d\d)$", text))


# Formats that upstream knows; others are notes to the reader.
_FORMATS: dict[str, Any] = {
    "date": date.fromisoformat,
    "date-time": _is_date_time,
    "datetime": _is_date_time,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "cidr": lambda text: "/" in text and ipaddress.ip_network(text, strict=False),
    "mac": lambda text: bool(re.fullmatch(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", text)),
    "uuid": uuid.UUID,
    "byte": lambda text: base64.b64decode(text, validate=True),
    "hostname": lambda text: len(text) < 256 and bool(_HOST.fullmatch(text)),
    "email": lambda text: bool(re.fullmatch(r"[^@\s]+@[^@\s]+", text)),
    "uri": lambda text: bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text)),
}


def _array(value: list[Any], schema: Schema, path: str, old: Any) -> Iterator[FieldError]:
    if (most := schema.get("maxItems")) is not None and len(value) > most:
        yield invalid(path, len(value), f"{_body(path)} should have at most {most} items")
    if (least := schema.get("minItems")) is not None and len(value) < least:
        yield invalid(path, len(value), f"{_body(path)} should have at least {least} items")
    kind = schema.get("x-kubernetes-list-type")
    if schema.get("uniqueItems") or kind in ("set", "map"):
        before = isinstance(old, list) and next(_unique(old, schema, path), None) is not None
        if not before:  # what had duplicates before may have them still
            yield from _unique(value, schema, path)
    items = schema.get("items")
    if isinstance(items, dict):
        before_by_key = by_key(old, schema)
        for index, item in enumerate(value):
            yield from _errors(item, items, f"{path}[{index}]", before_by_key.get(key_of(item, schema), NEW))


def key_of(item: Any, schema: Schema) -> Any:
    """What tells an item of a list of type map from the others; None in lists of other types."""
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(item, dict):
        return None
    return tuple(str(item.get(name)) for name in schema.get("x-kubernetes-list-map-keys") or ())


def by_key(items: Any, schema: Schema) -> dict[Any, Any]:
    """The items of a list of type map, by what tells them apart; nothing of anything else."""
    found = {key_of(item, schema): item for item in items} if isinstance(items, list) else {}
    found.pop(None, None)
    return found


def _unique(value: list[Any], schema: Schema, path: str) -> Iterator[FieldError]:
    keys = schema.get("x-kubernetes-list-map-keys")
    seen: set[str] = set()
    for index, item in enumerate(value):
        told = {key: item.get(key) for key in keys} if keys and isinstance(item, dict) else item
        text = json.dumps(told, sort_keys=True)
        if text in seen:
            if schema.get("uniqueItems"):
                yield invalid(path, "", f"{_body(path)} shouldn't contain duplicates")
                return
            yield FieldError(f"{path}[{index}]", "FieldValueDuplicate", f"Duplicate value: {text}")
        seen.add(text)


def _object(value: dict[str, Any], schema: Schema, path: str, old: Any) -> Iterator[FieldError]:
    if (most := schema.get("maxProperties")) is not None and len(value) > most:
        yield invalid(path, len(value), f"{_body(path)} should have at most {most} properties")
    if (least := schema.get("minProperties")) is not None and len(value) < least:
        yield invalid(path, len(value), f"{_body(path)} should have at least {least} properties")
    known, others = schema.get("properties") or {}, schema.get("additionalProperties")
    for name in schema.get("required") or ():
        if name not in value:
            yield required(f"{path}.{name}" if path else name)
    if path and schema.get("x-kubernetes-embedded-resource"):
        yield from _embedded(value, path)
    before = old if isinstance(old, dict) else {}
    for name, item in value.items():
        below = f"{path}.{name}" if path else name
        wanted = known.get(name, others)
        if isinstance(wanted, dict):
            yield from _errors(item, wanted, below, before.get(name, NEW))


def _embedded(value: dict[str, Any], path: str) -> Iterator[FieldError]:
    """What every resource has, also where one lies in another."""
    for name in ("apiVersion", "kind"):
        given = value.get(name, "")
        if name not in value:
            yield required(f"{path}.{name}", "must not be empty")
        elif not isinstance(given, str) or not given:
            yield invalid(f"{path}.{name}", given, "must not be empty" if given == "" else "must be a string")
    metadata = value.get("metadata", {})
    if not isinstance(metadata, dict):
        yield invalid(f"{path}.metadata", metadata, "must be an object")
        return
    for name in ("labels", "annotations"):
        texts = metadata.get(name) or {}
        if not isinstance(texts, dict) or not all(isinstance(each, str) for each in texts.values()):
            yield invalid(f"{path}.metadata.{name}", texts, "must be a map of strings")


def _junctors(value: Any, schema: Schema, path: str) -> Iterator[FieldError]:
    for each in schema.get("allOf") or ():
        yield from _errors(value, each, path)
    if schema.get("anyOf") and not any(fits(value, each) for each in schema["anyOf"]):
        yield invalid(_place(path), "", f'"{path}" must validate at least one schema (anyOf)')
    if schema.get("oneOf") and (fitting := sum(fits(value, each) for each in schema["oneOf"])) != 1:
        how_many = f"{fitting} valid alternatives" if fitting else "none valid"
        said = f'"{path}" must validate one and only one schema (oneOf). Found {how_many}'
        yield invalid(_place(path), "", said)
    if schema.get("not") and fits(value, schema["not"]):
        yield invalid(_place(path), "", f'"{path}" must not validate the schema (not)')
