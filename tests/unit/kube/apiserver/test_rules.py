"""Rules in CEL: what they see, what they say, and what a definition may hold."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.apiserver.cel.expressions import CelError, compiled
from kprov.kube.apiserver.extensions import structural
from kprov.kube.apiserver.extensions.rules import broken_rules

TEXT = {"type": "string"}


def schema(*rules: dict[str, Any], **properties: Any) -> dict[str, Any]:
    spec = {"type": "object", "properties": properties, "x-kubernetes-validations": list(rules)}
    return {"type": "object", "properties": {"spec": spec}}


def said(spec: Any, old: Any = None, **of: Any) -> list[str]:
    rule = {key: of.pop(key) for key in
            ("rule", "message", "messageExpression", "reason", "fieldPath", "optionalOldSelf") if key in of}  # fmt: skip # noqa: E501
    before = {"spec": old} if old is not None else None
    return [each.message for each in broken_rules({"spec": spec}, schema(rule, **of), before)]


@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        ("self.low <= self.high", {"low": 1, "high": 2}, True),
        ("self.low <= self.high", {"low": 3, "high": 2}, False),
        ("!has(self.low) || self.low > 0", {}, True),
        ("self.names.all(n, n.startsWith('x'))", {"names": ["xa", "xb"]}, True),
        ("self.names.exists_one(n, n == 'xa')", {"names": ["xa", "xa"]}, False),
        ("self.names.isSorted() && self.names.indexOf('b') == 1", {"names": ["a", "b"]}, True),
        ("size(self.ratio.find('[0-9]+')) == 2", {"ratio": "ab12"}, True),
        ("self.share / 2.0 == 1.5", {"share": 3}, True),  # a number of the schema is never a whole one
        ("self.born < timestamp('2026-01-01T00:00:00Z')", {"born": "2025-01-01T00:00:00Z"}, True),
        ("self.wait > duration('1m')", {"wait": "1h0m1s"}, True),
        ("self.secret == b'ab'", {"secret": "YWI="}, True),
        ("quantity(self.ratio).isLessThan(quantity('1Gi'))", {"ratio": "1024M"}, True),
        ("quantity(self.ratio).add(quantity('1')).asInteger() == 2", {"ratio": "1000m"}, True),
        ("isQuantity(self.ratio)", {"ratio": "much"}, False),
        (
            "url(self.ratio).getHost() == 'a:81' && url(self.ratio).getScheme() == 'https'",
            {"ratio": "https://a:81/b"},
            True,
        ),
        ("isIP(self.ratio) && !isCIDR(self.ratio)", {"ratio": "10.0.0.1"}, True),
        ("sets.contains(['a', 'b'], self.names)", {"names": ["b"]}, True),
        ("self.__namespace__ == self.with__dash__dash", {"namespace": "x", "with-dash": "x"}, True),
        ("self.?low.orValue(7) == 7", {}, True),
        ("self.labels['app/x'] == 'y'", {"labels": {"app/x": "y"}}, True),
        ("self.names.map(n, n.lowerAscii()).join('-') == 'a-b'", {"names": ["A", "B"]}, True),
    ],
)
def test_what_rules_see(rule: str, value: dict[str, Any], holds: bool) -> None:
    number, names = {"type": "integer"}, {"type": "array", "items": TEXT}
    found = said(
        value, rule=rule, low=number, high=number, names=names, ratio=TEXT, share={"type": "number"}, namespace=TEXT,
        born={**TEXT, "format": "date-time"}, wait={**TEXT, "format": "duration"}, secret={**TEXT, "format": "byte"},
        labels={"type": "object", "additionalProperties": TEXT}, **{"with-dash": TEXT},
    )  # fmt: skip
    assert found == ([] if holds else [f'spec: Invalid value: "object": failed rule: {rule}'])


def test_what_is_said() -> None:
    low = {"type": "integer"}
    assert said({"low": 0}, rule="self.low > 0", message="must be more", low=low) == [
        'spec: Invalid value: "object": must be more'
    ]
    told = said(
        {"low": 0}, rule="self.low > 0", messageExpression="'not ' + string(self.low)", fieldPath=".low", low=low
    )
    assert told == ['spec.low: Invalid value: "object": not 0']
    assert said({"low": 0}, rule="self.low > 0", messageExpression="self.nope", message="kept", low=low) == [
        'spec: Invalid value: "object": kept'
    ]
    assert said({"low": 0}, rule="false", message="no", reason="FieldValueForbidden", low=low) == [
        "spec: Forbidden: no"
    ]
    assert said({}, rule="self.low > 0", low=low) == [
        'spec: Invalid value: "object": no such key: low evaluating rule: self.low > 0'
    ]


def test_transitions() -> None:
    low = {"type": "integer"}
    rule = {"rule": "self.low >= oldSelf.low", "message": "only grows", "low": low}
    assert said({"low": 1}, **rule) == []  # new: there is nothing to compare with
    assert said({"low": 1}, {"low": 1}, **rule) == []
    assert said({"low": 1}, {"low": 2}, **rule) == ['spec: Invalid value: "object": only grows']
    optional = {"rule": "oldSelf.hasValue() || self.low == 0", "optionalOldSelf": True, "low": low}
    assert (
        said({"low": 1}, **optional)
        and not said({"low": 0}, **optional)
        and not said({"low": 1}, {"low": 9}, **optional)
    )
    # what broke a rule before it was made may stay as it is
    assert said({"low": 1}, {"low": 1}, rule="self.low > 5", low=low) == []
    assert said({"low": 2}, {"low": 1}, rule="self.low > 5", low=low)


def test_items_of_maps_are_compared_by_their_keys() -> None:
    item = {"type": "object", "properties": {"name": TEXT, "port": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.port == oldSelf.port", "message": "fixed"}]}  # fmt: skip
    ports = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    a, b, other = {"name": "a", "port": 1}, {"name": "b", "port": 2}, {"name": "b", "port": 3}
    assert said({"ports": [b, a]}, {"ports": [a, b]}, rule="true", ports=ports) == []
    assert said({"ports": [a, other]}, {"ports": [a, b]}, rule="true", ports=ports) == [
        'spec.ports[1]: Invalid value: "object": fixed'
    ]
    atomic = {key: value for key, value in ports.items() if not key.startswith("x-")}
    assert said({"ports": [a, other]}, {"ports": [a, b]}, rule="true", ports=atomic) == []


def test_definitions_hold_only_rules_that_can_be_kept() -> None:
    def wrong(**rule: Any) -> list[str]:
        return [each.message for each in structural.errors_of(schema(rule), "s", structural_only=True)]

    assert wrong(rule="self.x > 1", message="x") == []
    assert "compilation failed" in wrong(rule="self.x >")[0] and "compilation failed" in wrong(rule="other.x")[0]
    assert "must evaluate to a bool" in wrong(rule="1 + 1")[0]
    assert "must evaluate to a string" in wrong(rule="true", messageExpression="1")[0]
    assert "rule is not specified" in wrong(rule=" ")[0]
    assert "must be of type string" in wrong(rule="true", messageExpression=5)[0]
    assert "Unsupported value" in wrong(rule="true", reason="Bad")[0]
    assert "message must be specified" in wrong(rule="true\n&& true")[0]


def test_no_rule_goes_on_for_ever() -> None:
    many = list(range(400))
    with pytest.raises(CelError, match="budget"):
        compiled("self.all(a, self.all(b, self.all(c, a + b + c >= 0)))", ("self",)).evaluate({"self": many})
