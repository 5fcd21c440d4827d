"""Kinds that users define: schemas at work, definitions judged, names, columns, versions, documents."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.apiserver.extensions import json_path, kinds, openapi, schema, structural, validation
from kprov.kube.apiserver.extensions.definition_versions import to_v1, to_v1beta1
from kprov.kube.apiserver.extensions.kinds import custom_kind, version_rank
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.strategy.apiextensions import DefinitionStrategy
from kprov.kube.apiserver.versions import from_storage, is_storage_version

Object = dict[str, Any]

SCHEMA: Object = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 5},
                "mode": {"type": "string", "enum": ["fast", "safe"], "default": "safe"},
                "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                "port": {"x-kubernetes-int-or-string": True},
                "more": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "items": {
                    "type": "array",
                    "maxItems": 2,
                    "items": {"type": "object", "properties": {"a": {"type": "integer", "default": 7}}},
                },
                "note": {"type": "string", "nullable": True},
                "pod": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "properties": {"spec": {"type": "object"}},
                },
            },
        }
    },
}  # fmt: skip


def definition(**spec: Any) -> Object:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "tools.example.com", "uid": "u"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "tools", "kind": "Tool"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
            **spec,
        },
    }


def test_what_a_schema_does_not_know_is_dropped_and_told() -> None:
    obj = {
        "apiVersion": "example.com/v1",
        "kind": "Tool",
        "metadata": {"name": "a", "anything": 1},
        "top": 1,
        "spec": {"size": 1, "typo": 2, "more": {"free": {"x": 1}}, "labels": {"a": "b"},
                 "items": [{"a": 1, "b": 2}], "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "status": {}}},
    }  # fmt: skip
    unknown: list[str] = []
    schema.prune(obj, SCHEMA, unknown)
    assert unknown == ["top", "spec.typo", "spec.items[0].b", "spec.pod.status"]
    assert obj["metadata"] == {"name": "a", "anything": 1}
    assert obj["spec"] == {
        "size": 1, "more": {"free": {"x": 1}}, "labels": {"a": "b"}, "items": [{"a": 1}],
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {}},
    }  # fmt: skip


def test_defaults_go_where_nothing_is_and_are_nobody_elses() -> None:
    one: Object = {"spec": {"items": [{}, {"a": 1}], "mode": None}}
    schema.default(one, SCHEMA)
    assert one == {"spec": {"items": [{"a": 7}, {"a": 1}], "mode": "safe"}}
    nothing: Object = {}
    schema.default(nothing, SCHEMA)
    assert nothing == {}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"size": 9}, "spec.size: Invalid value: 9: spec.size in body should be less than or equal to 5"),
        ({}, "spec.size: Required value"),
        ({"size": "x"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": 1, "mode": "x"}, 'spec.mode: Unsupported value: "x": supported values: "fast", "safe"'),
        ({"size": 1, "name": "A"}, "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"),
        (
            {"size": 1, "name": "abcdef"},
            'spec.name: Invalid value: "abcdef": spec.name in body should be at most 5 chars long',
        ),
        (
            {"size": 1, "items": [{}] * 3},
            "spec.items: Invalid value: 3: spec.items in body should have at most 2 items",
        ),
        (
            {"size": 1, "port": 1.5},
            'spec.port: Invalid value: "number": spec.port in body must be of type integer,string: "number"',
        ),
    ],
)
def test_what_is_wrong_is_told_in_upstreams_words(spec: Object, said: str) -> None:
    assert [error.message for error in validation.errors_of({"spec": spec}, SCHEMA)] == [said]


@pytest.mark.parametrize(
    "spec", [{"size": 5, "note": None, "port": "http"}, {"size": 2.0, "port": 80, "more": {"a": []}}]
)
def test_what_fits_fits(spec: Object) -> None:
    assert validation.errors_of({"spec": spec}, SCHEMA) == []


def test_junctors() -> None:
    either: Object = {"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "not": {"required": ["c"]}}
    assert validation.fits({"a": 1}, either)
    assert not validation.fits({}, either)
    assert not validation.fits({"b": 1, "c": 1}, either)
    assert not validation.fits({"a": 1, "b": 1}, {"oneOf": either["anyOf"]})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.size", [3]),
        ("{.spec.size}", [3]),
        (".spec.list[1].a", [2]),
        (".spec.list[*].a", [1, 2]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (r".metadata.labels.example\.com/x", ["y"]),
        (".metadata.labels['example.com/x']", ["y"]),
        (".nowhere.at.all", []),
    ],
)
def test_json_paths(path: str, found: list[Any]) -> None:
    obj = {
        "metadata": {"labels": {"example.com/x": "y"}},
        "spec": {"size": 3, "list": [{"a": 1}, {"a": 2}]},
        "status": {"conditions": [{"type": "Odd", "status": "False"}, {"type": "Ready", "status": "True"}]},
    }
    assert json_path.find(obj, path) == found


def test_json_paths_that_make_no_sense_are_refused() -> None:
    with pytest.raises(json_path.JsonPathError):
        json_path.compiled(".spec[?(@.a)")
    made: Object = {}
    json_path.put(made, ".spec.deep.replicas", 3)
    assert made == {"spec": {"deep": {"replicas": 3}}}


def test_versions_in_upstreams_order() -> None:
    names = ["foo1", "v11alpha2", "v3beta1", "v10", "v2", "v11beta2", "v10beta3", "foo10", "v1", "v12alpha1"]
    assert sorted(names, key=version_rank) == [
        "v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10",
    ]  # fmt: skip


def problems(**spec: Any) -> list[str]:
    made = definition(**spec)
    strategy = DefinitionStrategy()
    strategy.default(made)
    return [error.message for error in strategy.validate(made)]


def test_a_definition_is_judged() -> None:
    assert problems() == []
    assert "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required" in problems(
        versions=[{"name": "v1", "served": True, "storage": True}]
    )
    assert any("exactly one version marked as storage" in each for each in problems(versions=[{"name": "v1"}]))
    assert any("must be spec.names.plural" in each for each in problems(names={"plural": "other", "kind": "Tool"}))
    assert any("spec.scope" in each for each in problems(scope="Everywhere"))
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "http://here?x=1"}}}
    assert problems(conversion=conversion) == [
        "spec.conversion.webhook.clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; "
        "desired format: https://host[/path]",
        'spec.conversion.webhook.clientConfig.url: Invalid value: "x=1": query parameters are not permitted in the URL',
        "spec.conversion.webhook.conversionReviewVersions: Required value",
    ]
    column = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA},
              "additionalPrinterColumns": [{"name": "A", "type": "text", "jsonPath": ".spec["}]}  # fmt: skip
    said = problems(versions=[column])
    assert any("supported values" in each for each in said) and any("invalid JSONPath" in each for each in said)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "s.type: Required value: must not be empty at the root"),
        ({"type": "object", "properties": {"a": {}}}, "s.properties[a].type: Required value"),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, "s.properties[a].items: Required value"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "s.properties[a].type: Unsupported value"),
        ({"type": "object", "$ref": "x"}, "s.$ref: Forbidden"),
        ({"type": "object", "x-kubernetes-validations": [{"rule": "so"}]}, "undeclared reference to 'so'"),
        ({"type": "object", "properties": {"a": {"type": "string", "default": 1}}}, "s.properties[a].default"),
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}, "valid regular expression"),
        ({"type": "object", "allOf": [{"default": 1}]}, "s.allOf[0].default: Forbidden"),
    ],
)
def test_schemas_must_be_structural_and_of_known_words(wrong: Object, said: str) -> None:
    assert any(said in each.message for each in structural.errors_of(wrong, "s", structural_only=True))


def test_the_old_version_and_back() -> None:
    old: Object = {
        "metadata": {"name": "tools.example.com", "uid": "u"},
        "spec": {
            "group": "example.com", "version": "v1", "names": {"plural": "tools", "kind": "Tool"},
            "validation": {"openAPIV3Schema": SCHEMA}, "subresources": {"status": {}},
            "additionalPrinterColumns": [{"name": "Size", "type": "integer", "JSONPath": ".spec.size"}],
        },
    }  # fmt: skip
    new = to_v1(old)
    (version,) = new["spec"]["versions"]
    assert (version["name"], version["served"], version["storage"]) == ("v1", True, True)
    assert version["additionalPrinterColumns"][0]["jsonPath"] == ".spec.size"
    assert new["spec"]["preserveUnknownFields"] is True and new["spec"]["scope"] == "Namespaced"
    back = to_v1beta1(new)["spec"]
    for name in ("version", "validation", "subresources", "additionalPrinterColumns"):
        assert back[name] == old["spec"][name]
    kind = custom_kind({**old, "apiVersion": "apiextensions.k8s.io/v1beta1"})  # as upstream 1.20 stores it
    assert kind.info.subresources == ("status",) and kind.preserves_unknown


def test_columns_and_documents() -> None:
    column = {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
    made = definition()
    made["spec"]["versions"][0]["additionalPrinterColumns"] = [column]
    kind = custom_kind(made)
    found = kind.columns["v1"]
    assert [each["name"] for each in found.definitions] == ["Name", "Size"]
    assert found.cells({"metadata": {"name": "a"}, "spec": {"size": 3}}) == ["a", 3]
    assert found.cells({"metadata": {"name": "a"}}) == ["a", None]
    published = openapi.definitions(kind, 2)["com.example.v1.Tool"]
    spec = published["properties"]["spec"]["properties"]
    assert published["x-kubernetes-group-version-kind"] == [{"group": "example.com", "kind": "Tool", "version": "v1"}]
    # what kubectl cannot cope with is left out of OpenAPI 2
    assert spec["note"] == {} and spec["more"] == {"x-kubernetes-preserve-unknown-fields": True}
    assert "default" not in spec["mode"] and spec["port"] == {"x-kubernetes-int-or-string": True}
    assert openapi.definitions(kind, 3)["com.example.v1.Tool"]["properties"]["spec"]["properties"]["mode"]["default"]


def test_what_was_stored_before_is_handed_out_as_it_should_be_now() -> None:
    plain: Object = {"type": "object", "properties": {"spec": {"type": "object"}}}
    one = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": plain}}
    assert custom_kind(definition(versions=[one])).as_stored
    assert not custom_kind(definition()).as_stored  # its schema has defaults
    kind = custom_kind(definition(versions=[one, {**one, "name": "v2", "storage": False}]))
    assert not kind.as_stored
    kinds.serve(custom_kind(definition()))
    try:
        info = RESOURCES["example.com", "tools"]
        stored = {"apiVersion": "example.com/v0", "kind": "Tool", "metadata": {"name": "a"}, "spec": {"size": 1}}
        shown = from_storage(info, "v1", stored)
        assert shown["apiVersion"] == "example.com/v1" and shown["spec"] == {"size": 1, "mode": "safe"}
        assert stored["spec"] == {"size": 1} and not is_storage_version(info, "v1")
    finally:
        kinds.forget(("example.com", "tools"))
    assert ("example.com", "tools") not in RESOURCES


def test_users_of_a_version_that_is_given_up_are_told() -> None:
    made = definition()
    made["spec"]["versions"][0]["deprecated"] = True
    assert custom_kind(made).deprecated == {"v1": "example.com/v1 Tool is deprecated"}
    made["spec"]["versions"][0]["deprecationWarning"] = "use hammers"
    assert custom_kind(made).deprecated == {"v1": "use hammers"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": 1},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"a": "x"}},
        {"type": "object", "required": [1]},
        {"type": "object", "minProperties": "x"},
        {"type": "array", "items": "x"},
        {"type": "object", "additionalProperties": 3},
        {"type": "object", "allOf": {}},
        {"type": "object", "allOf": [3]},
        [],
    ],
)
def test_a_schema_of_wrong_types_is_refused_and_nothing_else(wrong: Any) -> None:
    assert structural.errors_of(wrong, "s", structural_only=True)


def test_how_many_of_one_of_fit_is_told() -> None:
    either = {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    (none,) = validation.errors_of({}, either, "x")
    (both,) = validation.errors_of({"a": 1, "b": 2}, either, "x")
    assert none.message.endswith("Found none valid") and both.message.endswith("Found 2 valid alternatives")


def test_times_may_be_written_small() -> None:
    assert validation.fits("2020-01-01t00:00:00z", {"type": "string", "format": "date-time"})
