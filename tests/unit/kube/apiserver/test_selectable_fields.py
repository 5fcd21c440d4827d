"""Custom kinds by the values of their fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.extensions import kinds, selectable
from kprov.kube.apiserver.extensions.kinds import custom_kind
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.resources.selection import Selection
from kprov.kube.apiserver.storage.entry import Entry

Object = dict[str, Any]

SPEC: Object = {
    "type": "object",
    "properties": {
        "color": {"type": "string"},
        "size": {"type": "string", "default": "M"},
        "number": {"type": "integer"},
        "sold": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}


def version(name: str, *paths: str) -> Object:
    schema = {"type": "object", "properties": {"spec": SPEC}}
    return {
        "name": name,
        "served": True,
        "storage": name == "v1",
        "schema": {"openAPIV3Schema": schema},
        "selectableFields": [{"jsonPath": path} for path in paths],
    }


@pytest.fixture
def shirts() -> Iterator[ResourceInfo]:
    made = custom_kind(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "shirts.example.com", "uid": "u"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "shirts", "kind": "Shirt"},
                "versions": [version("v1", ".spec.color", ".spec.size", ".spec.sold"), version("v2", ".spec.number")],
            },
        }
    )
    kinds.serve(made)
    yield made.info
    kinds.forget(made.info.key)


def shirt(**spec: Any) -> Entry:
    obj = {"apiVersion": "example.com/v1", "kind": "Shirt", "metadata": {"name": "a", "namespace": "n"}, "spec": spec}
    return Entry.stored("n/a", 7, orjson.dumps(obj))


@pytest.mark.parametrize(
    ("served", "selector", "spec", "found"),
    [
        ("v1", "spec.color=blue", {"color": "blue"}, True),
        ("v1", "spec.color!=blue", {"color": "blue"}, False),
        ("v1", "spec.color=", {}, True),
        ("v1", "spec.color=blue,metadata.name=a", {"color": "blue"}, True),
        ("v1", "spec.color=blue,metadata.namespace=other", {"color": "blue"}, False),
        ("v1", "spec.size=M", {}, True),  # stored before there was a default
        ("v1", "spec.sold=true", {"sold": True}, True),
        ("v2", "spec.number=3", {"number": 3}, True),
        ("v2", "spec.number=3", {"number": 33}, False),
    ],
)
def test_selected(shirts: ResourceInfo, served: str, selector: str, spec: Object, found: bool) -> None:
    assert Selection(shirts, served, "", selector).matches(shirt(**spec)) is found


@pytest.mark.parametrize(("served", "selector"), [("v1", "spec.number=3"), ("v2", "spec.color=x"), ("v1", "spec=x")])
def test_what_a_version_does_not_offer_is_refused(shirts: ResourceInfo, served: str, selector: str) -> None:
    with pytest.raises(ApiError) as refused:
        Selection(shirts, served, "", selector)
    assert refused.value.code == 400 and "field label not supported" in str(refused.value)


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        ([".spec.color", ".spec.number", ".spec.sold"], ""),
        ([""], "Required"),
        ([".spec.color", ".spec.color"], "Duplicate"),
        (["spec.color"], "Invalid"),
        ([".spec.tags[0]"], "Invalid"),
        ([".spec.tags"], "Invalid"),
        ([".spec.none"], "Invalid"),
        ([".metadata.name"], "Invalid"),
        ([f".spec.color{number}" for number in range(9)], "TooMany"),
    ],
)
def test_definitions(paths: list[str], reason: str) -> None:
    found = selectable.errors_of(version("v1", *paths), "here", converted=False)
    assert (found[0].reason.removeprefix("FieldValue") if found else "") == reason


def test_where_a_webhook_converts_they_are_refused() -> None:
    found = selectable.errors_of(version("v1", ".spec.color"), "here", converted=True)
    assert [each.reason for each in found] == ["FieldValueForbidden"]
    assert selectable.errors_of(version("v1"), "here", converted=True) == []
