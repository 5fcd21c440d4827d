"""x-kubernetes words in definitions' schemas, and what they mean for objects, as upstream's server has it."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.apiserver.extensions import schema, schema_extensions, structural, validation

TEXT = {"type": "string"}
_LIST, _MAP, _KEYS = "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-list-map-keys"
_PRESERVE, _EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"


def root(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def keyed(items: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {"type": "array", _LIST: "map", _KEYS: list(keys), "items": items}


GOOD = [
    keyed({**root(a=TEXT), "required": ["a"]}, "a"),
    keyed(root(a={**TEXT, "default": "x"}), "a"),
    {"type": "array", _LIST: "set", "items": TEXT},
    {"type": "array", _LIST: "set", "items": {"type": "object", _MAP: "atomic"}},
    {"type": "object", _MAP: "granular"},
    {"type": "object", _EMBEDDED: True, _PRESERVE: True},
    {"type": "object", _EMBEDDED: True, "properties": {"spec": {"type": "object"}}},
]
BAD = [
    ({"type": "array", _LIST: "odd", "items": TEXT}, 'list-type: Unsupported value: "odd"'),
    ({**keyed(root(a=TEXT)), _KEYS: []}, "list-map-keys: Required value: must not be empty"),
    ({"type": "array", "items": root(a=TEXT), _KEYS: ["a"]}, "must be map if x-kubernetes-list-map-keys is non-empty"),
    (keyed({**root(b=TEXT), "required": ["b"]}, "a"), "entries must all be names of item properties"),
    (keyed({**root(a=TEXT), "required": ["a"]}, "a", "a"), "must not contain duplicate entries"),
    (keyed(root(a=TEXT), "a"), "items.properties[a].default: Required value: this property is in"),
    (keyed({**root(a={"type": "object"}), "required": ["a"]}, "a"), "must be a scalar type if parent"),
    (keyed(TEXT, "a"), "items.type: Invalid value"),
    ({"type": "array", _LIST: "set", "items": {"type": "object"}}, "must be atomic as item of a list"),
    ({"type": "string", _LIST: "set"}, "must be array if x-kubernetes-list-type is specified"),
    ({"type": "array", _MAP: "atomic", "items": TEXT}, "must be object if x-kubernetes-map-type is specified"),
    ({"type": "object", _MAP: "odd"}, 'map-type: Unsupported value: "odd"'),
    ({"type": "object", _PRESERVE: False}, "must be true or undefined"),
    ({"type": "object", _EMBEDDED: True}, "must not be empty if x-kubernetes-embedded-resource is true"),
]


@pytest.mark.parametrize("word", GOOD)
def test_words_that_make_sense(word: dict[str, Any]) -> None:
    assert schema_extensions.errors_of(root(spec=word), "s") == []


@pytest.mark.parametrize(("word", "said"), BAD)
def test_words_that_make_none(word: dict[str, Any], said: str) -> None:
    (found,) = schema_extensions.errors_of(root(spec=root(deep=word)), "s")
    assert found.message.startswith("s.properties[spec].properties[deep].") and said in found.message


@pytest.mark.parametrize(
    "metadata",
    [root(labels={"type": "object"}), {**root(), "required": ["name"]}, root(name={**TEXT, "default": "x"})],
)
def test_metadata_is_not_for_a_schema(metadata: dict[str, Any]) -> None:
    (found,) = schema_extensions.errors_of(root(metadata=metadata), "s")
    assert found.reason == "FieldValueForbidden"
    assert schema_extensions.errors_of(root(metadata=root(name={**TEXT, "pattern": "^a"})), "s") == []


def test_types_in_junctors_are_for_int_or_string_alone() -> None:
    both = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
    nested = {"allOf": [{"anyOf": both["anyOf"]}], "x-kubernetes-int-or-string": True}
    for good in (both, nested):
        assert structural.errors_of(root(port=good), "s", structural_only=True) == []
    bad = {"type": "object", "anyOf": [{"type": "object"}]}
    (found,) = structural.errors_of(root(spec=bad), "s", structural_only=True)
    assert found.message == "s.properties[spec].anyOf[0].type: Forbidden: must be empty to be structural"


def test_a_null_that_is_not_allowed_goes() -> None:
    found = root(
        spec=root(
            a={"type": "integer"},
            b={**TEXT, "nullable": True},
            c={**TEXT, "default": "x"},
            m={"type": "object", "additionalProperties": root(e=TEXT)},
            list={"type": "array", "items": TEXT},
        )
    )
    obj = {"spec": {"a": None, "b": None, "c": None, "m": {"k": None, "l": {"e": None}}, "list": [None]}}
    schema.default(obj, found)
    assert obj == {"spec": {"b": None, "c": "x", "m": {"l": {}}, "list": [None]}}


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}}, []),
        ({}, ["apiVersion: Required value: must not be empty", "kind: Required value: must not be empty"]),
        ({"apiVersion": 5, "kind": ""}, ["must be a string", "must not be empty"]),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": "x"}, ["metadata: Invalid value"]),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": 5}}}, ["must be a map of strings"]),
    ],
)
def test_a_resource_in_another_is_one(resource: dict[str, Any], said: list[str]) -> None:
    found = validation.errors_of({"in": resource}, root(**{"in": {"type": "object", _EMBEDDED: True, _PRESERVE: True}}))
    assert len(found) == len(said) and all(part in each.message for part, each in zip(said, found, strict=True))
