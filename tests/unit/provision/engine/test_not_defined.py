"""What is said of variables that can't be had, and of parameters that a template left out."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.provision.engine.module_names import refuse_left_out
from kprov.provision.engine.scope import NotDefined, Scope, TemplateProblem
from kprov.provision.engine.templating import Templar

VARIABLES = {"lazy": "{{ b }}", "deep": {"a": "{{ b }}", "c": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ lazy }}", "'b' is undefined in: b"),
        ("{{ lazy | upper }}", "'b' is undefined in: b"),
        ("{{ deep }}", "'b' is undefined in: b"),
        ("all of {{ deep }}", "'b' is undefined in: b"),
        ("{{ lazy | mandatory }}", "Mandatory variable 'lazy' not defined. in: lazy | mandatory"),
    ],
)
def test_it_is_told_what_is_not_defined(text: str, message: str) -> None:
    templar = Templar()
    with pytest.raises(NotDefined) as told:
        templar.render(text, Scope(templar, [(VARIABLES, True), (templar.globals, False)]))
    assert str(told.value) == message


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("copy", {"dest": "/x"}, "copy needs one of src, content"),
        ("unarchive", {"dest": "/x"}, "unarchive needs 'src'"),
        ("group_by", {}, "group_by needs 'key'"),
    ],
)
def test_it_is_told_what_was_left_out(module: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TemplateProblem) as told:
        refuse_left_out(module, arguments)
    assert str(told.value) == message


def test_nothing_is_said_where_nothing_was_left_out() -> None:
    refuse_left_out("group_by", {"key": "k"})
