"""Where in a template something is wrong: short texts whole, of long ones the line."""

from __future__ import annotations

import pytest

from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.templating import Templar


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {{ b }}", "'b' is undefined in: a {{ b }}"),
        ("\none\n {{ b }} two\n", "'b' is undefined in line 3: {{ b }} two"),
        ("{% for i in [1] %}\n{{ i }}\n{% if\n b %}{% endif %}\n{% endfor %}", "'b' is undefined in line 3: {% if"),
        ("\n {{ b }}\n", "'b' is undefined in: {{ b }}"),
        ("one\n{% if %}\n", "wrong syntax: Expected an expression, got 'end of statement block' in line 2: {% if %}"),
        ("{{ b }}" + "x" * 400, "'b' is undefined in: {{ b }}" + "x" * 293 + " ..."),
    ],
)
def test_a_message_ends_with_what_is_meant(text: str, message: str) -> None:
    templar = Templar()
    with pytest.raises(TemplateProblem) as told:
        templar.render(text, Scope(templar, [(templar.globals, False)]))
    assert str(told.value) == message
