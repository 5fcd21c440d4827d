"""Members that are null go, at any depth, and what is left is a copy."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.apiserver.handlers.bodies import without_nulls


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"a": {"b": [1, "x", {"c": True}]}}, {"a": {"b": [1, "x", {"c": True}]}}),
        ({"a": None, "b": {"c": None, "d": [{"e": None, "f": 1}]}}, {"b": {"d": [{"f": 1}]}}),
        ({"said": "null"}, {"said": "null"}),
        ([], []),
        ("text", "text"),
        ({"whole": 1 << 62, "half": 0.5}, {"whole": 1 << 62, "half": 0.5}),
    ],
)
def test_nulls_go(value: Any, left: Any) -> None:
    assert without_nulls(value) == left


def test_what_is_left_is_a_copy() -> None:
    value = {"labels": {"a": "b"}}
    without_nulls(value)["labels"]["a"] = "c"
    assert value == {"labels": {"a": "b"}}


def test_depth_is_no_matter() -> None:
    value: Any = {"end": None}
    for _ in range(400):
        value = {"x": value}
    found = without_nulls(value)
    for _ in range(400):
        found = found["x"]
    assert found == {}
