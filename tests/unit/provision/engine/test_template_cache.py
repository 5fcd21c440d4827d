"""Compiled templates that are kept: used while the template is the same, and nobody else can have written them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jinja2
import pytest

from kprov.provision.engine import template_cache as cache_module
from kprov.provision.engine import template_files
from kprov.provision.engine.scope import Scope
from kprov.provision.engine.search_path import SearchPath
from kprov.provision.engine.template_cache import TemplateCache, template_cache
from kprov.provision.engine.templating import Templar
from kprov.provision.transport.errors import Unreachable


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the templates that were compiled."""
    names: list[str] = []
    compile_it = jinja2.Environment.compile

    def counted(self: jinja2.Environment, source: Any, name: Any = None, *rest: Any, **more: Any) -> Any:
        names.append(str(name))
        return compile_it(self, source, name, *rest, **more)

    monkeypatch.setattr(jinja2.Environment, "compile", counted)
    return names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where they are kept."""
    own = tmp_path / "runtime"
    own.mkdir(mode=0o700)
    cache = template_cache(lambda: own)
    monkeypatch.setattr(template_files, "template_cache", lambda: cache)
    return own / "templates"


def render(root: Path, text: str, **options: Any) -> str:
    """A template, rendered by a Templar that has rendered nothing before, as the next run's."""
    (root / "templates").mkdir(exist_ok=True)
    (root / "templates/x.j2").write_text(text)
    templar = Templar(SearchPath((root,)))
    return templar.render_file("x.j2", Scope(templar, [({"name": "b"}, False)]), options)


def test_a_template_is_compiled_once_for_all_runs(tmp_path: Path, folder: Path, compiled: list[str]) -> None:
    assert [render(tmp_path, "a{{ name }}\n") for _ in range(3)] == ["ab\n"] * 3
    assert compiled == ["x.j2"]
    assert [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())] == [0o700, 0o600]


def test_a_template_that_changed_is_compiled_anew(tmp_path: Path, folder: Path, compiled: list[str]) -> None:
    assert [render(tmp_path, text) for text in ("a{{ name }}", "c{{ name }}")] == ["ab", "cb"]
    assert compiled == ["x.j2", "x.j2"] and len(list(folder.iterdir())) == 1


def test_options_of_its_own_are_no_matter_of_the_cache(tmp_path: Path, folder: Path) -> None:
    assert render(tmp_path, "[[ name ]]{{ name }}") == "[[ name ]]b"
    assert (
        render(tmp_path, "[[ name ]]{{ name }}", variable_start_string="[[", variable_end_string="]]") == "b{{ name }}"
    )
    assert render(tmp_path, "[[ name ]]{{ name }}") == "[[ name ]]b"


@pytest.mark.parametrize("damage", [b"", b"j2", b"whatever " * 100, None])
def test_damage_is_passed_over(tmp_path: Path, folder: Path, damage: bytes | None) -> None:
    assert render(tmp_path, "a{{ name }}") == "ab"
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage if damage is not None else whole[: len(whole) // 2])
    assert render(tmp_path, "a{{ name }}") == "ab"
    assert file.read_bytes() == whole


def test_a_disk_that_takes_nothing_is_passed_over(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jinja2.FileSystemBytecodeCache, "dump_bytecode", full)
    assert render(tmp_path, "a{{ name }}") == "ab"
    assert list(folder.iterdir()) == []


def test_the_oldest_are_forgotten(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"k-{number}").touch()
        os.utime(tmp_path / f"k-{number}", (number, number))
    TemplateCache(str(tmp_path), "k-%s").forget_oldest(2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k-3", "k-4"]


def test_there_is_none_where_others_could_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_somebody_else() -> Path:
        raise Unreachable("it is not a folder of this user alone")

    assert template_cache(of_somebody_else) is None
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(cache_module.os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    if tmp_path.stat().st_uid:
        assert template_cache(lambda: folder) is None
        return
    os.chown(tmp_path, 12345, -1)
    monkeypatch.setattr(cache_module.os, "getuid", lambda: 0)
    assert template_cache(lambda: folder) is None
    assert list(folder.iterdir()) == []
