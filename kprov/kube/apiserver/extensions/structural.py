"""What a schema in a CustomResourceDefinition must be like: structural, and of words that kprov heeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kprov.kube.apiserver.extensions.rules import WORD as RULES
from kprov.kube.apiserver.extensions.rules import rule_errors
from kprov.kube.apiserver.extensions.validation import errors_of as value_errors
from kprov.kube.apiserver.extensions.validation import fits, pattern_error
from kprov.kube.apiserver.strategy.base import FieldError, forbidden, invalid, not_supported, required

Schema = dict[str, Any]

_TYPES = ["array", "boolean", "integer", "number", "object", "string"]
_FORBIDDEN = ("$ref", "definitions", "dependencies", "deprecated", "discriminator", "id", "patternProperties",
              "readOnly", "writeOnly", "xml", "additionalItems")  # fmt: skip
_INSIDE_JUNCTOR = ("type", "default", "additionalProperties", "nullable", "description", "title",
                   "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource")  # fmt: skip


_NUMBER, _COUNT, _FLAG, _TEXT, _LIST, _MAP = "number", "integer", "boolean", "string", "array", "object"
_WORDS: dict[str, str] = {
    "type": _TEXT, "format": _TEXT, "pattern": _TEXT, "title": _TEXT, "description": _TEXT,
    "minimum": _NUMBER, "maximum": _NUMBER, "multipleOf": _NUMBER,
    "minLength": _COUNT, "maxLength": _COUNT, "minItems": _COUNT, "maxItems": _COUNT,
    "minProperties": _COUNT, "maxProperties": _COUNT,
    "exclusiveMinimum": _FLAG, "exclusiveMaximum": _FLAG, "uniqueItems": _FLAG, "nullable": _FLAG,
    "x-kubernetes-preserve-unknown-fields": _FLAG, "x-kubernetes-embedded-resource": _FLAG,
    "x-kubernetes-int-or-string": _FLAG, "x-kubernetes-list-type": _TEXT, "x-kubernetes-map-type": _TEXT,
    "required": _LIST, "enum": _LIST, "allOf": _LIST, "anyOf": _LIST, "oneOf": _LIST,
    "x-kubernetes-list-map-keys": _LIST, "properties": _MAP, "not": _MAP,
}  # fmt: skip
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_OF_TEXTS = ("required", "x-kubernetes-list-map-keys")


def _mistyped(schema: Schema, path: str) -> Iterator[FieldError]:
    """Words whose value is of the wrong type: nothing else can be said of such a schema."""
    for word, kind in _WORDS.items():
        value = schema.get(word)
        if value is not None and not fits(value, {"type": kind}):
            yield invalid(f"{path}.{word}", value, f"must be of type {kind}")
        elif word in _OF_TEXTS and not all(isinstance(each, str) for each in value or ()):
            yield invalid(f"{path}.{word}", value, "must be a list of strings")
    if not isinstance(schema.get("items", {}), (dict, list, type(None))):
        yield invalid(f"{path}.items", schema["items"], "must be an object")
    if not isinstance(schema.get("additionalProperties", {}), (dict, bool, type(None))):
        yield invalid(f"{path}.additionalProperties", schema["additionalProperties"], "must be an object or a boolean")


def errors_of(schema: Schema, path: str, *, structural_only: bool) -> list[FieldError]:
    """What is wrong with a schema.

    Args:
        schema: the schema.
        path: where it stands.
        structural_only: whether it must be structural, as all are in v1.
    """
    found = list(_errors(schema, path, structural_only, inside=False))
    if not isinstance(schema, dict):
        return found
    if structural_only and schema.get("type") != "object":
        shown = schema.get("type")
        if not shown:
            found.insert(0, required(f"{path}.type", "must not be empty at the root"))
        else:
            found.insert(0, invalid(f"{path}.type", shown, "must be object at the root"))
    if structural_only and schema.get("nullable"):
        found.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    return found


def _errors(schema: Any, path: str, strict: bool, *, inside: bool) -> Iterator[FieldError]:
    if not isinstance(schema, dict):
        yield invalid(path, schema, "must be an object")
        return
    mistyped = list(_mistyped(schema, path))
    if mistyped:
        yield from mistyped
        return
    for word in _FORBIDDEN:
        if word in schema and (strict or word != "additionalItems"):
            yield forbidden(f"{path}.{word}", f"{word} is not supported")
    if schema.get(RULES):
        if inside:
            yield forbidden(f"{path}.{RULES}", "must be empty to be structural")
        else:
            yield from rule_errors(schema[RULES], f"{path}.{RULES}")
    kind = schema.get("type")
    if kind is not None and kind not in _TYPES:
        yield not_supported(f"{path}.type", kind, _TYPES)
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if strict and not inside and not kind and not free:
        yield required(f"{path}.type", "must not be empty for specified object fields")
    if strict and inside:
        for word in _INSIDE_JUNCTOR:
            if word in schema:
                yield forbidden(f"{path}.{word}", "must be empty to be structural")
    if strict and kind == "array" and not isinstance(schema.get("items"), dict):
        yield required(f"{path}.items", "must be specified")
    if schema.get("uniqueItems"):
        yield forbidden(f"{path}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic")  # fmt: skip # noqa: E501
    if "properties" in schema and schema.get("additionalProperties") not in (None, False) and strict:
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if (text := schema.get("pattern")) and (problem := pattern_error(text)):
        yield invalid(f"{path}.pattern", text, problem)
    if schema.get("default") is not None and not inside:
        for each in value_errors(schema["default"], schema):
            yield invalid(f"{path}.default", schema["default"], each.body)
    yield from _below(schema, path, strict, inside=inside)


def _tells_int_or_string(word: str, index: int, schema: Schema) -> bool:
    """Whether this is how the types of x-kubernetes-int-or-string are written: elsewhere a junctor has no types."""
    if word == "anyOf":
        return bool(schema["anyOf"] == _INT_OR_STRING)
    first = schema[word][index]
    return bool(word == "allOf" and index == 0 and first == {"anyOf": _INT_OR_STRING})


def _below(schema: Schema, path: str, strict: bool, *, inside: bool) -> Iterator[FieldError]:
    for name, each in (schema.get("properties") or {}).items():
        yield from _errors(each, f"{path}.properties[{name}]", strict, inside=inside)
    if isinstance(schema.get("items"), dict):
        yield from _errors(schema["items"], f"{path}.items", strict, inside=inside)
    elif isinstance(schema.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _errors(schema["additionalProperties"], f"{path}.additionalProperties", strict, inside=inside)
    for word in ("allOf", "anyOf", "oneOf"):
        for index, each in enumerate(schema.get(word) or ()):
            if not (schema.get("x-kubernetes-int-or-string") and _tells_int_or_string(word, index, schema)):
                yield from _errors(each, f"{path}.{word}[{index}]", strict, inside=True)
    if isinstance(schema.get("not"), dict):
        yield from _errors(schema["not"], f"{path}.not", strict, inside=True)
