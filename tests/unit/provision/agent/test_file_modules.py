"""copy, file, stat, slurp, find: compare first, change once, say how."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_copy_writes_once_then_compares(module: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    first = module("copy", dest=str(path), content="one\n", mode="0640")
    assert first["changed"] and "+one" in first["diff"] and path.read_text() == "one\n" and mode(path) == 0o640
    second = module("copy", dest=str(path), content="one\n", mode="0640")
    assert not second["changed"]
    assert len(module.contents.taken) == 2  # for the diff and for the file; nothing when it is the same


def test_copy_in_check_mode_changes_nothing(module: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("old\n")
    result = module("copy", check=True, dest=str(path), content="new\n", mode="0600")
    assert (
        result["changed"] and "-old" in result["diff"] and "+new" in result["diff"] and "mode: 0600" in result["diff"]
    )
    assert path.read_text() == "old\n"


def test_copy_keeps_the_mode_that_is_there(module: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("old")
    path.chmod(0o604)
    module("copy", dest=str(path), content="new")
    assert mode(path) == 0o604


def test_copy_only_changes_attributes_where_content_is_the_same(module: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("same")
    before = path.stat().st_ino
    assert module("copy", dest=str(path), content="same", mode="0600")["changed"]
    assert path.stat().st_ino == before and mode(path) == 0o600 and module.contents.taken == []


def test_copy_refused_by_validation_leaves_the_file(module: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("old")
    failure = module.fails("copy", dest=str(path), content="bad", validate="grep -q good %s")
    assert "refused by 'grep'" in failure.message
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    module("copy", dest=str(path), content="good", validate="grep -q good %s")
    assert path.read_text() == "good"


def test_copy_into_a_missing_folder_says_what_to_do(module: Any, tmp_path: Path) -> None:
    assert "make it first" in module.fails("copy", dest=str(tmp_path / "no" / "a"), content="x").message
    assert module("copy", check=True, dest=str(tmp_path / "no" / "a"), content="x")["changed"]


def test_copy_replaces_a_link_instead_of_writing_through_it(module: Any, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("kept")
    link.symlink_to(target)
    module("copy", dest=str(link), content="new")
    assert target.read_text() == "kept" and not link.is_symlink()


def test_copy_from_the_machine_itself(module: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("x")
    assert module("copy", src=str(source), remote_src=True, dest=str(tmp_path / "b"))["changed"]
    assert not module("copy", src=str(source), remote_src=True, dest=str(tmp_path / "b"))["changed"]


@pytest.mark.parametrize(
    ("state", "extra"), [("directory", {"mode": "0750"}), ("touch", {"mode": "0600"}), ("link", {"src": "/nowhere"})]
)
def test_file_is_made_once_and_removed_once(module: Any, tmp_path: Path, state: str, extra: dict[str, Any]) -> None:
    path = tmp_path / "deep" / "x" if state == "directory" else tmp_path / "x"
    assert module("file", check=True, path=str(path), state=state, **extra)["changed"] and not os.path.lexists(path)
    assert module("file", path=str(path), state=state, **extra)["changed"]
    assert not module("file", path=str(path), state=state, **extra)["changed"]
    if "mode" in extra:
        assert f"{mode(path):04o}" == extra["mode"]
    assert module("file", path=str(path), state="absent")["changed"] and not os.path.lexists(path)
    assert not module("file", path=str(path), state="absent")["changed"]


def test_link_is_turned_without_a_moment_without_it(module: Any, tmp_path: Path) -> None:
    link = tmp_path / "current"
    module("file", path=str(link), src="releases/1", state="link")
    result = module("file", path=str(link), src="releases/2", state="link")
    assert result["changed"] and "-src: releases/1" in result["diff"] and str(link.readlink()) == "releases/2"


def test_file_recursive_attributes(module: Any, tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "f").write_text("")
    assert module("file", path=str(tmp_path / "d"), state="directory", recurse=True, mode="u=rwX,go=")["changed"]
    assert mode(tmp_path / "d" / "e") == 0o700 and mode(tmp_path / "d" / "e" / "f") == 0o600
    assert not module("file", path=str(tmp_path / "d"), state="directory", recurse=True, mode="u=rwX,go=")["changed"]


def test_file_refuses_what_is_something_else(module: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    assert "not a folder" in module.fails("file", path=str(tmp_path / "f"), state="directory").message
    assert "does not exist" in module.fails("file", path=str(tmp_path / "g"), state="file").message
    assert "there is no user 'nosuch'" in module.fails("file", path=str(tmp_path / "f"), owner="nosuch").message


def test_unknown_owner_in_check_mode_is_a_change(module: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    assert module("file", check=True, path=str(tmp_path / "f"), owner="nosuch")["changed"]


def test_looking(module: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("text")
    found = module("stat", path=str(tmp_path / "f"))["stat"]
    assert found["exists"] and found["isreg"] and found["size"] == 4 and len(found["checksum"]) == 64
    assert module("stat", path=str(tmp_path / "g"))["stat"] == {"exists": False, "path": str(tmp_path / "g")}
    assert module("slurp", src=str(tmp_path / "f"))["text"] == "text"
    assert [entry["path"] for entry in module("find", paths=str(tmp_path), patterns="f*")["files"]] == [
        str(tmp_path / "f")
    ]
