"""What an object was before its schema became stricter may stay, where nobody touches it."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.extensions.validation import NEW, errors_of, pattern_error

Object = dict[str, Any]
PORT: Object = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "port": {"type": "integer", "maximum": 10}},
}
SCHEMA: Object = {
    "type": "object",
    "required": ["mode"],
    "properties": {
        "mode": {"type": "string", "pattern": "^[a-z]+$"},
        "size": {"type": "integer"},
        "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 2}},
        "ports": {
            "type": "array", "items": PORT, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]
        },
        "plain": {"type": "array", "items": {"type": "integer", "maximum": 10}},
        "deep": {"type": "object", "required": ["b"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
    },
}  # fmt: skip


def wrong(new: Object, old: Any = NEW) -> list[str]:
    return [each.field for each in errors_of(new, SCHEMA, "", old)]


def test_what_has_not_changed_may_stay_wrong() -> None:
    old = {"mode": "OLD", "labels": {"x": "long"}, "size": 1}
    assert wrong(old) == ["mode", "labels.x"]
    assert wrong({**old, "size": 2}, old) == []
    assert wrong({**old, "mode": "NEW"}, old) == ["mode"]
    assert wrong({**old, "labels": {"x": "long", "y": "long"}}, old) == ["labels.y"]


def test_what_is_missing_counts_where_it_is_missing() -> None:
    old = {"mode": "a", "deep": {"a": "x"}}
    assert wrong({**old, "size": 1}, old) == []
    assert wrong({**old, "deep": {"a": "y"}}, old) == ["deep.b"]
    assert wrong({"size": 1}, {"size": 2}) == ["mode"]


def test_items_are_compared_by_their_keys_and_not_by_their_place() -> None:
    old = {"mode": "a", "ports": [{"name": "a", "port": 99}, {"name": "b", "port": 1}]}
    turned = {"mode": "b", "ports": [{"name": "b", "port": 2}, {"name": "a", "port": 99}]}
    assert wrong(turned, old) == []
    assert wrong({**turned, "ports": [{"name": "b", "port": 99}]}, old) == ["ports[0].port"]
    # nothing tells the items of a plain list apart
    assert wrong({"mode": "a", "plain": [99, 1]}, {"mode": "a", "plain": [99]}) == ["plain[0]"]
    assert wrong({"mode": "b", "plain": [99]}, {"mode": "a", "plain": [99]}) == []
    twice = [{"name": "a"}, {"name": "a"}]
    assert wrong({"mode": "b", "ports": [*twice, {"name": "c"}]}, {"mode": "a", "ports": twice}) == []
    assert wrong({"mode": "b", "ports": twice}, {"mode": "a", "ports": twice[:1]}) == ["ports[1]"]


def test_true_is_not_one() -> None:
    assert wrong({"mode": "a", "size": True}, {"mode": "a", "size": 1}) == ["size"]


def test_patterns_are_read_as_upstream_reads_them() -> None:
    assert pattern_error(r"^\pL+\z") is None and pattern_error("(?i)a[[:alpha:]]") is None
    for refused in ("(?=a)", r"(a)\1", "(", "a{1001}"):
        assert "must be a valid regular expression" in str(pattern_error(refused))


def test_no_pattern_holds_the_server_up() -> None:
    evil = {"type": "string", "pattern": "^(a+)+$"}
    assert errors_of("a" * 100_000 + "!", evil, "x")
