"""YAML from clients who mean no good."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kprov.kube.apiserver.handlers.yaml_body import UnfitYAML, load

_LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (letter, letter, b",".join([b"*%c" % (letter - 1)] * 9)) for letter in b"bcdefgh"
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"a: [1, two, {b: null}]", {"a": [1, "two", {"b": None}]}),
        (b'{"a": 1}', {"a": 1}),
        (b"", None),
        (b"a: &x {b: 1}\nc: *x\nd: [*x, *x]", {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}),
        (b"a: 2024-01-01\nb: 2024-01-01T00:00:00Z", {"a": "2024-01-01", "b": "2024-01-01T00:00:00Z"}),
        (b"2: a\ntrue: b", {"2": "a", "true": "b"}),
        (b"[" * 150 + b"a" + b"]" * 150, None),
    ],
)
def test_yaml_and_json_are_read(text: bytes, value: Any) -> None:
    found = load(text)
    assert value is None or found == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[" * 50_000, "nested more than"),
        (b"- " * 50_000, "nested more than"),
        (b"{a: " * 50_000, "nested more than"),
        (_LAUGHS, "excessive aliasing"),
        (b"a: &a [*a]", "no value that is complete"),
        (b"a: *b", "no value that is complete"),
        (b"a: [", "while parsing"),
        (b"!!python/object:os.system x", "constructor"),
        (b"\xff\xfe\x00", "utf|unacceptable|truncated|incomplete"),
        (b"a: !!binary aGk=", "not JSON serializable"),
        (b"a: 99999999999999999999", "64-bit"),
    ],
)
def test_what_would_end_the_server_is_refused_at_once(text: bytes, said: str) -> None:
    began = time.process_time()
    with pytest.raises(UnfitYAML, match=said):
        load(text)
    assert time.process_time() - began < 1
