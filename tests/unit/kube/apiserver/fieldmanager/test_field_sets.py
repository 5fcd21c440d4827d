"""Sets of fields: their arithmetic and their form on the wire."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.kube.apiserver.fieldmanager.comparing import added_on_wire, difference, fields_in
from kprov.kube.apiserver.fieldmanager.field_set import FieldSet, known, shown
from kprov.kube.apiserver.fieldmanager.managers import NEVER_MANAGED
from kprov.kube.apiserver.fieldmanager.merging import merge, remove
from kprov.kube.apiserver.fieldmanager.shapes import Shape, of_schema, shape_of
from kprov.kube.apiserver.resources import RESOURCES

_elements = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"', "i:0"])
wire = st.recursive(
    st.just({}), lambda inner: st.dictionaries(_elements | st.just("."), inner, max_size=3), max_leaves=8
)


def _clean(fields: Any) -> Any:
    return {element: {} if element == "." else _clean(inner) for element, inner in fields.items()}


def sets(fields: Any) -> FieldSet:
    return FieldSet.from_wire(_clean(fields))


@settings(max_examples=150)
@given(wire, wire)
def test_arithmetic_is_that_of_sets_of_paths(left: Any, right: Any) -> None:
    a, b = sets(left), sets(right)
    paths_a, paths_b = set(a.paths()), set(b.paths())
    assert set((a | b).paths()) == paths_a | paths_b
    assert set((a & b).paths()) == paths_a & paths_b
    assert set((a - b).paths()) == paths_a - paths_b
    below = {path for path in paths_a if any(path[: len(top)] == top for top in paths_b)}
    assert set(a.without(b).paths()) == paths_a - below
    assert FieldSet.from_wire(a.to_wire()) == a


@pytest.mark.parametrize("fields", [{"spec": {}}, {"f:spec": 1}, {"f:spec": {"x:y": {}}}])
def test_what_is_no_fieldsv1_is_refused(fields: Any) -> None:
    with pytest.raises(ValueError, match="no element of FieldsV1"):
        FieldSet.from_wire(fields)


def test_paths_are_shown_as_upstream_shows_them() -> None:
    path = ("f:spec", "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}', "f:name")
    assert shown(path) == '.spec.ports[containerPort=80,protocol="TCP"].name'
    assert shown(("f:metadata", "f:finalizers", 'v:"a/b"')) == '.metadata.finalizers[="a/b"]'


POD = shape_of(RESOURCES["", "pods"], "v1")


def containers(*names: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name} for name in names]}}


@pytest.mark.parametrize(
    ("live", "applied", "order"),
    [
        ("abc", "abc", "abc"),
        ("abc", "cb", "acb"),
        ("abc", "bd", "abdc"),
        ("abcd", "xa", "xabcd"),
        ("", "ba", "ba"),
        ("abcde", "dxb", "acdxbe"),
    ],
)
def test_lists_merge_by_their_keys_in_the_applied_order(live: str, applied: str, order: str) -> None:
    merged = merge(containers(*live), containers(*applied), POD)
    names = "".join(item["name"] for item in merged["spec"]["containers"])
    assert sorted(names) == sorted(order)
    assert [name for name in names if name in applied] == list(applied)
    assert [name for name in names if name not in applied] == [name for name in live if name not in applied]


_names = st.permutations("abcde").flatmap(lambda names: st.integers(0, 5).map(lambda n: "".join(names[:n])))


@settings(max_examples=150)
@given(_names, _names)
def test_no_element_of_a_merged_list_is_lost_or_there_twice(live: str, applied: str) -> None:
    merged = merge(containers(*live), containers(*applied), POD)
    names = [item["name"] for item in merged["spec"]["containers"]]
    assert sorted(names) == sorted(set(live) | set(applied))
    assert [name for name in names if name in applied] == list(applied)


def test_atomic_values_are_replaced_whole() -> None:
    live = {"spec": {"nodeSelector": {"a": "1"}, "tolerations": [{"key": "x"}]}}
    applied = {"spec": {"nodeSelector": {"b": "2"}, "tolerations": [{"key": "y"}]}}
    assert merge(live, applied, POD) == applied


def test_what_is_removed_takes_what_is_below_it_along() -> None:
    live = containers("a", "b")
    gone = fields_in(containers("a"), POD)
    left = remove(live, gone, POD)
    assert left == containers("b")
    assert live == containers("a", "b")


def test_a_difference_names_the_least_that_differs() -> None:
    old = {"metadata": {"labels": {"a": "1", "b": "2"}}, **containers("x")}
    new = {"metadata": {"labels": {"a": "9"}}, **containers("x", "y")}
    changed, removed = difference(old, new, POD)
    assert [shown(path) for path in changed.paths()] == [
        ".metadata.labels.a",
        '.spec.containers[name="y"]',
        '.spec.containers[name="y"].name',
    ]
    assert [shown(path) for path in removed.paths()] == [".metadata.labels.b"]


def test_what_has_no_known_type_is_owned_key_by_key() -> None:
    assert fields_in(
        {"spec": {"a": {"b": 1}, "c": [1]}}, shape_of(RESOURCES["", "pods"], "v1").child("nope")
    ).to_wire() == {"f:spec": {".": {}, "f:a": {".": {}, "f:b": {}}, "f:c": {}}}


def test_duplicates_in_a_keyed_list_make_it_one_leaf() -> None:
    shape: Shape = POD
    assert fields_in(containers("a", "a"), shape).to_wire() == {"f:spec": {"f:containers": {}}}


def test_custom_kinds_are_owned_as_their_schema_says() -> None:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "ports": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["port"],
                        "items": {"type": "object", "properties": {"port": {"type": "integer"}}},
                    },
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "words": {"type": "array", "items": {"type": "string"}},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": {}}},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        },
    }
    value = {
        "spec": {
            "ports": [{"port": 1}],
            "tags": ["x"],
            "words": ["y"],
            "labels": {"l": "1"},
            "whole": {"a": 1},
            "free": {"b": {"c": 1}},
        }
    }
    assert fields_in(value, of_schema(schema)).to_wire() == {
        "f:spec": {
            "f:free": {"f:b": {".": {}, "f:c": {}}},
            "f:labels": {"f:l": {}},
            "f:ports": {'k:{"port":1}': {".": {}, "f:port": {}}},
            "f:tags": {'v:"x"': {}},
            "f:whole": {},
            "f:words": {},
        }
    }


_VALUES = st.recursive(
    st.sampled_from([None, 0, "x", [], {}]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "a", "b"]), inner, max_size=3),
    max_leaves=6,
)
_OWNERS = st.fixed_dictionaries({"uid": st.sampled_from("12")}, optional={"name": _VALUES})
_PODS = st.fixed_dictionaries(
    {
        "apiVersion": st.just("v1"),
        "kind": st.just("Pod"),
        "metadata": st.fixed_dictionaries(
            {"name": st.just("a")},
            optional={
                "labels": st.dictionaries(st.sampled_from("xy"), st.just("1")),
                "uid": st.just("u"),
                "finalizers": st.lists(st.sampled_from(["a/b", "a/c"])),
                "ownerReferences": st.lists(_OWNERS),
            },
        ),
    },
    optional={
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "containers": st.lists(
                    st.fixed_dictionaries(
                        {"name": st.sampled_from("ab")},
                        optional={
                            "ports": st.lists(st.fixed_dictionaries({"containerPort": st.sampled_from([1, 2])})),
                            "env": _VALUES,
                            "resources": _VALUES,
                        },
                    ),
                    max_size=3,
                ),
                "securityContext": _VALUES,
                "nodeSelector": st.dictionaries(st.sampled_from("xy"), st.just("1")),
            },
        ),
        "status": _VALUES,
    },
)  # fmt: skip


@settings(max_examples=200)
@given(_PODS)
def test_a_creation_owns_what_a_change_from_nothing_would(pod: Any) -> None:
    before = {"metadata": {}}
    changed = difference(before, pod, POD).changed - NEVER_MANAGED
    assert added_on_wire(pod, POD, NEVER_MANAGED) == changed.to_wire()


@settings(max_examples=100)
@given(wire)
def test_sets_that_are_remembered_are_those_that_are_read(fields: Any) -> None:
    found, same = known(orjson.dumps(_clean(fields)))
    assert found == sets(fields)
    assert same is (orjson.dumps(found.to_wire()) == orjson.dumps(_clean(fields)))
