"""How the controller writes files: whole or not at all, with mode and owner before there is anything to read."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from kprov.provision import atomic


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_what_the_umask_leaves_or_the_mode_that_is_wished(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        atomic.write(tmp_path / "a", "é\n")
        atomic.write(tmp_path / "b", b"b", mode=0o644)
    finally:
        os.umask(mask)
    assert (tmp_path / "a").read_bytes() == "é\n".encode()
    assert (mode_of(tmp_path / "a"), mode_of(tmp_path / "b")) == (0o640, 0o644)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "b"]


def test_a_file_that_was_there_keeps_its_mode_unless_one_is_wished(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o604)
    atomic.write(path, "new")
    assert (path.read_text(), mode_of(path)) == ("new", 0o604)
    atomic.write(path, "newer", mode=atomic.PRIVATE)
    assert (path.read_text(), mode_of(path)) == ("newer", 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_was_there_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    os.chown(path, 4711, 4712)
    atomic.write(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4712)


def test_nobody_can_read_it_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o644)
    with atomic.replacing(path, mode=0o600) as stream:
        beside = [each for each in tmp_path.iterdir() if each != path]
        assert [(mode_of(each), each.stat().st_size) for each in beside] == [(0o600, 0)]
        stream.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def half() -> None:
        with atomic.replacing(path) as stream:
            stream.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert [each.name for each in tmp_path.iterdir()] == ["f"]
    assert path.read_text() == "old"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "far" / "f", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    atomic.write(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=atomic.write, args=(pipe, "through"))
    writing.start()
    assert pipe.read_text() == "through"
    writing.join()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_only_one_of_many_makes_it(tmp_path: Path) -> None:
    path, made, there = tmp_path / "f", [], []

    def make(number: int) -> None:
        try:
            atomic.write(path, str(number), mode=0o600, exclusive=True)
            made.append(str(number))
        except FileExistsError:
            there.append(path.read_text())

    makers = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert made == [path.read_text()]
    assert there == made * 7
    assert [each.name for each in tmp_path.iterdir()] == ["f"]
