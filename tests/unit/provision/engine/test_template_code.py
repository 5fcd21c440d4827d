"""What templates say of chance, time and files is of the moment in which they are rendered, for every host anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from kprov.provision.engine.scope import Scope
from kprov.provision.engine.search_path import SearchPath
from kprov.provision.engine.templating import Templar

CHANCE = "{{ 1000000000000 | random }}"


@pytest.fixture
def templar(tmp_path: Path) -> Templar:
    """One that finds its templates below a folder of the test's."""
    (tmp_path / "templates").mkdir()
    return Templar(SearchPath((tmp_path,)))


def of_hosts(templar: Templar, text: str, tmp_path: Path, where: str) -> list[str]:
    """A text as three hosts get it one after the other: a template file's, a task's text, or an expression alone."""
    scope = Scope(templar, [({}, False)])
    if where == "file":
        (tmp_path / "templates/x.j2").write_text(f"a {text} b")
        return [templar.render_file("x.j2", scope) for _ in range(3)]
    shown = f"a {text}" if where == "text" else text
    return [str(templar.render(shown, scope)) for _ in range(3)]


@pytest.mark.parametrize("where", ["file", "text", "expression"])
@pytest.mark.parametrize("text", [CHANCE, "{{ ('' ~ 1000000000000) | int | random }}"])
def test_every_host_draws_its_own_number(templar: Templar, tmp_path: Path, where: str, text: str) -> None:
    assert len(set(of_hosts(templar, text, tmp_path, where))) == 3


@pytest.mark.parametrize("where", ["file", "text", "expression"])
def test_a_file_is_looked_for_when_it_is_asked_for(templar: Templar, tmp_path: Path, where: str) -> None:
    text = f"{{{{ '{tmp_path}/flag' is exists }}}}"
    assert "False" in of_hosts(templar, text, tmp_path, where)[0]
    (tmp_path / "flag").touch()
    assert "True" in of_hosts(templar, text, tmp_path, where)[0]


def test_a_condition_is_of_its_moment(templar: Templar, tmp_path: Path) -> None:
    scope = Scope(templar, [({}, False)])
    condition = f"'{tmp_path}/flag' is exists"
    before = templar.is_true(condition, scope)
    (tmp_path / "flag").touch()
    assert (before, templar.is_true(condition, scope)) == (False, True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a{{ none }}b{{ 1 + 1 }}c{{ 'x' | upper }}d", "ab2cXd"),
        ("{% if 1 is odd %}odd{% endif %} {{ [1, 2] | join('-') }}", "odd 1-2"),
        ("{{ 'a' ~ 'b' }}{{ true and not false }}", "abTrue"),
    ],
)
def test_what_is_constant_is_shown_as_before(templar: Templar, text: str, shown: str) -> None:
    assert templar.render(text, Scope(templar, [({}, False)])) == shown
