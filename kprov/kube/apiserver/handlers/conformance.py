"""Holds an object against its type: unknown fields are found and dropped, values of a wrong type are refused.

What a typed server does by decoding into structs is done by a walk along the table of upstream's types. What comes
out has no nulls, no fields that nobody knows, and in each field a value of the type that strategies count on.
"""

from __future__ import annotations

from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.apiserver.aggregation.api_service_schema import API_SERVICE
from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.extensions.custom_objects import conformed
from kprov.kube.apiserver.extensions.definition_schema import SCHEMAS
from kprov.kube.apiserver.extensions.schema import prune
from kprov.kube.apiserver.extensions.validation import errors_of
from kprov.kube.apiserver.handlers.scalars import GO_NAMES, Mismatch, scalar
from kprov.kube.apiserver.ingress_schema import INGRESS_V1BETA1
from kprov.kube.apiserver.protobuf.table import fields_of, message_of
from kprov.kube.apiserver.resources.info import ResourceInfo

Object = dict[str, Any]

_MAX_REPORTED = 32
# Types that the table of upstream's has not: (group, plural, version) -> schema.
_SCHEMAS: dict[tuple[str, str, str], Object] = {
    **{("apiextensions.k8s.io", "customresourcedefinitions", version): found for version, found in SCHEMAS.items()},
    **{("apiregistration.k8s.io", "apiservices", version): API_SERVICE for version in ("v1", "v1beta1")},
    **{(group, "ingresses", "v1beta1"): INGRESS_V1BETA1 for group in ("extensions", "networking.k8s.io")},
}


def _value(kind: str, value: Any, path: str, unknown: list[str]) -> Any:
    if "." not in kind:
        return scalar(kind, value, path)
    fields = fields_of(kind)
    if fields is None:
        return value
    if "" in fields:  # a list that Go gives a name
        return _items(fields[""][0], value, path, unknown)
    if not isinstance(value, dict):
        raise Mismatch(path, value, kind)
    return _struct(fields, value, path, unknown)


def _items(kind: str, value: Any, path: str, unknown: list[str]) -> list[Any]:
    if not isinstance(value, list):
        raise Mismatch(path, value, "[]" + GO_NAMES.get(kind, kind))
    return [_value(kind, item, f"{path}[{index}]", unknown) for index, item in enumerate(value) if item is not None]


def _struct(fields: dict[str, tuple[str, str]], value: Object, path: str, unknown: list[str]) -> Object:
    out: Object = {}
    for name, item in value.items():
        field = fields.get(name)
        place = f"{path}.{name}" if path else name
        if field is None:
            unknown.append(place)
            continue
        if item is None:
            continue
        kind, flags = field
        if "m" in flags:
            if not isinstance(item, dict):
                raise Mismatch(place, item, "map[string]" + GO_NAMES.get(kind, kind))
            out[name] = {
                key: _value(kind, each, f"{place}.{key}", unknown) for key, each in item.items() if each is not None
            }
        elif "l" in flags:
            out[name] = _items(kind, item, place, unknown)
        else:
            out[name] = _value(kind, item, place, unknown)
    return out


def conform(
    obj: Object,
    info: ResourceInfo,
    version: str,
    validation: str,
    warnings: list[str],
    *,
    patched: bool = False,
    known: Object | None = None,
) -> Object:
    """The object as its type has it.

    Args:
        obj: what a client sent, or what its patch made.
        info: its kind.
        version: its version.
        validation: the query's fieldValidation: Ignore, Warn (as without it) or Strict.
        warnings: where unknown fields are noted for Warn.
        patched: whether it is a patch's result, for the error's text.
        known: the present object in this version: what is the same in it was held against the type before.

    Raises:
        ApiError: 400 for a wrong type, or for an unknown field under Strict.
    """
    if validation not in ("", "Ignore", "Warn", "Strict"):
        supported = '"", "Ignore", "Strict", "Warn"'
        text = f'fieldValidation: Unsupported value: "{validation}": supported values: {supported}'
        raise errors.make(422, "Invalid", text)
    unknown: list[str] = []
    custom = kinds.find(*info.key)
    if custom is not None:
        obj = {**obj, "metadata": _metadata(obj.get("metadata") or {}, info, version, unknown)}
        obj = conformed(obj, custom, version, unknown)
        _report(unknown, info, version, validation, warnings, patched)
        return obj
    if (schema := _SCHEMAS.get((info.group, info.plural, version))) is not None:
        obj = _held_against_schema(schema, obj, info, version, unknown)
        _report(unknown, info, version, validation, warnings, patched)
        return obj
    message = message_of(info.group, version, info.kind) or message_of(info.group, info.versions[0], info.kind)
    fields = fields_of(message) if message else None
    if fields is None:
        return _settled(obj, obj)
    head = {"kind": obj.get("kind"), "apiVersion": obj.get("apiVersion")}
    rest = {name: item for name, item in obj.items() if name not in head}
    label = f'{info.kind} in version "{version}" cannot be handled as a {info.kind}: '
    settled = _settled(rest, known) if known else {}
    try:
        typed = _struct(fields, {name: item for name, item in rest.items() if name not in settled}, "", unknown)
    except Mismatch as error:
        if patched and error.of_map:  # upstream turns patched objects back into structs by another way
            raise errors.bad_request(f"{label}cannot restore map from {error.given}") from None
        raise errors.bad_request(label + str(error)) from None
    _report(unknown, info, version, validation, warnings, patched)
    if settled:
        typed |= settled
        typed = {name: typed[name] for name in rest if name in typed}
    return {**head, "metadata": {}, **typed}


def held_against(message: str, obj: Object, label: str) -> Object:
    """An object that is no resource, held against its type; unknown fields go.

    Args:
        message: the type, as the table of types has it ("meta.v1.DeleteOptions").
        obj: what a client sent.
        label: the kind, for the error's text.

    Raises:
        ApiError: 400, a value is of a wrong type.
    """
    fields = fields_of(message)
    if fields is None:
        return obj
    head: Object = {name: obj[name] for name in ("kind", "apiVersion") if name in obj}
    try:
        return {**head, **_struct(fields, {name: item for name, item in obj.items() if name not in head}, "", [])}
    except Mismatch as error:
        raise errors.bad_request(f"{label} cannot be read: {error}") from None


def _settled(obj: Object, known: Object) -> Object:
    """Copies of those of an object's fields that are as they were."""
    same = {name: known[name] for name, item in obj.items() if name in known and item == known[name]}
    copied: Object = orjson.loads(orjson.dumps(same))
    return copied


def _metadata(value: Any, info: ResourceInfo, version: str, unknown: list[str]) -> Object:
    """The metadata of an object of a custom kind, held against its type. Raises ApiError (400)."""
    try:
        found: Object = _value("meta.v1.ObjectMeta", value, "metadata", unknown)
    except Mismatch as error:
        text = f'{info.kind} in version "{version}" cannot be handled as a {info.kind}: {error}'
        raise errors.bad_request(text) from None
    return found


def _held_against_schema(schema: Object, obj: Object, info: ResourceInfo, version: str, unknown: list[str]) -> Object:
    """An object held against a type that is a schema. Raises ApiError (400)."""
    obj = {**obj, "metadata": _metadata(obj.get("metadata") or {}, info, version, unknown)}
    prune(obj, schema, unknown)
    wrong = errors_of(_without_nulls(obj), schema)
    if wrong:
        text = f'{info.kind} in version "{version}" cannot be handled as a {info.kind}: {wrong[0].message}'
        raise errors.bad_request(text)
    cleaned: Object = _without_nulls(obj)
    return cleaned


def _without_nulls(value: Any) -> Any:
    """As typed servers decode; a schema's defaults may be null, and stay."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None or key == "default"}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _report(
    unknown: list[str], info: ResourceInfo, version: str, validation: str, warnings: list[str], patched: bool
) -> None:
    """Tell of unknown fields as the client wants it. Raises ApiError (400) under Strict."""
    if not unknown or validation == "Ignore":
        return
    said = [f'unknown field "{place}"' for place in unknown[:_MAX_REPORTED]]
    if validation != "Strict":
        warnings.extend(said)
        return
    text = f"strict decoding error: {', '.join(said)}"
    if patched:
        raise errors.make(422, "Invalid", f' "" is invalid: patch: Invalid value: "": {text}')
    raise errors.bad_request(f'{info.kind} in version "{version}" cannot be handled as a {info.kind}: {text}')
