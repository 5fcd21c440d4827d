"""What kprov reset brings back: files with their attributes, folders that were empty, and what was not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def _arguments(root: Path, *names: str) -> dict[str, object]:
    return {
        "dest": str(root / "notes"),
        "paths": [str(root / name) for name in names],
        "after": str(root / "opt/kprov"),
    }


def test_everything_is_as_it_was(module: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine\n")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/own").write_text("own")
    (tmp_path / "empty").mkdir(mode=0o755)
    names = ("file", "full", "full/new", "empty", "none")
    assert module("baseline", **_arguments(tmp_path, *names))["changed"]
    assert not module("baseline", **_arguments(tmp_path, *names))["changed"]

    (tmp_path / "file").unlink()
    (tmp_path / "file").write_text("kprov's")
    (tmp_path / "full/new").write_text("kprov's")
    (tmp_path / "full/other").write_text("somebody's, later")
    (tmp_path / "empty/deep").mkdir()
    (tmp_path / "empty/deep/file").write_text("kprov's")
    (tmp_path / "empty").chmod(0o700)
    (tmp_path / "none").mkdir()
    foretold = module("baseline", check=True, state="restored", dest=str(tmp_path / "notes"))
    assert (tmp_path / "none").exists()
    done = module("baseline", state="restored", dest=str(tmp_path / "notes"))
    assert done["restored"] == foretold["restored"]
    assert (tmp_path / "file").read_text() == "mine\n" and (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in (tmp_path / "full").iterdir()) == ["other", "own"]
    assert not any((tmp_path / "empty").iterdir()) and (tmp_path / "empty").stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "none").exists()
    assert not module("baseline", state="restored", dest=str(tmp_path / "notes"))["changed"]


def test_a_path_is_noted_once(module: Any, tmp_path: Path) -> None:
    module("baseline", **_arguments(tmp_path, "a"))
    (tmp_path / "a").write_text("kprov's")
    (tmp_path / "b").write_text("mine")
    module("baseline", **_arguments(tmp_path, "a", "b"))
    module("baseline", state="restored", dest=str(tmp_path / "notes"))
    assert not (tmp_path / "a").exists() and (tmp_path / "b").read_text() == "mine"


def test_what_was_there_when_kprov_had_been_at_work_counts_as_its(module: Any, tmp_path: Path) -> None:
    (tmp_path / "opt/kprov").mkdir(parents=True)
    (tmp_path / "a").write_text("kprov's")
    module("baseline", **_arguments(tmp_path, "a"))
    module("baseline", state="restored", dest=str(tmp_path / "notes"))
    assert not (tmp_path / "a").exists()


def test_damaged_notes_are_no_notes_of_an_empty_machine(module: Any, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/notes.json").write_text("{")
    failure = module.fails("baseline", state="restored", dest=str(tmp_path / "notes"))
    assert "damaged" in str(failure)
