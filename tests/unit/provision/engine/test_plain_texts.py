"""Texts of names alone are rendered as Jinja renders them, whatever they and their values look like."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kprov.provision.documents import Unsafe
from kprov.provision.engine import template_compiler, templating
from kprov.provision.engine.plain_texts import is_name, parts_of
from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.templating import Templar

NAMES = ("a", "b", "c", "none", "self", "loop", "not", "true", "missing", "nested", "wrong", "vars", "\u00e9", "1")
WRITTEN = ("{{ %s }}", "{{%s}}", "{{\n%s }}", "{{- %s }}", "{{ %s -}}", "{{ %s.x }}", "{{ %s|d }}")
PIECES = st.one_of(
    st.builds(lambda form, name: form % name, st.sampled_from(WRITTEN), st.sampled_from(NAMES)),
    st.sampled_from(["{", "}", "{{", "}}", "{%", "{#", "#}", "\n", "\r\n", " ", "x", "/etc/", "\\1", "\u00e9"]),
)
VALUES = st.sampled_from(
    [None, True, 1, 1.5, "", "text", "{{ c }}", Unsafe("{{ c }}"), [1, "{{ c }}"], {"k": "{{ c }}"}, (1,), b"x"]
)


def _outcome(text: str, a: Any, b: Any) -> Any:
    templar = Templar()
    variables = {"a": a, "b": b, "c": "end", "nested": "<{{ c }}>", "wrong": "{{ wrong }}", "\u00e9": "e"}
    try:
        value = templar.render(text, Scope(templar, [(variables, True)]))
    except TemplateProblem as problem:
        return "problem", str(problem)
    return type(value), re.sub(" at 0x[0-9a-f]+", "", repr(value))  # where a scope lies says nothing


@settings(max_examples=200, deadline=None)
@given(text=st.lists(PIECES, max_size=5).map("".join), a=VALUES, b=VALUES)
@example(text="{{{ a }}", a=1, b=1)
@example(text="{{ a }}}", a=1, b=1)
@example(text="{{ a }}", a=(1,), b=1)
@example(text="{{ a }}-{{ b }}", a=None, b=b"x")
def test_as_jinja_renders_them(text: str, a: Any, b: Any) -> None:
    quick = _outcome(text, a, b)
    with (
        mock.patch.object(template_compiler, "parts_of", return_value=None),
        mock.patch.object(templating, "is_name", return_value=False),
    ):
        whole = _outcome(text, a, b)
    assert quick == whole


def test_what_is_left_to_jinja() -> None:
    assert parts_of("{{ a }}/x/{{ b }}") == ("", "a", "/x/", "b", "")
    for text in ("x", "{{{ a }}", "{{ a }}{% if b %}", "{{ a }}{# b #}", "{{ a | d }}", "{{ true }}", "{{ a }}\r\n"):
        assert parts_of(text) is None, text
    assert is_name("a_1")
    for expression in ("1a", "not", "a.b", "a ", "", "a\n"):
        assert not is_name(expression), expression
