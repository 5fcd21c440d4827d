"""A release that a program still runs from stays, whatever else is asked for."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any


def test_a_release_that_a_program_runs_from_stays(module: Any, tmp_path: Path) -> None:
    for name in ("1", "2"):
        library = tmp_path / name / "lib/a.so"
        library.parent.mkdir(parents=True)
        library.write_bytes(b"x" * mmap.PAGESIZE)
    with (tmp_path / "1/lib/a.so").open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ):
        assert module("old_releases", path=str(tmp_path), keep=0)["removed"] == ["2"]
    assert module("old_releases", path=str(tmp_path), keep=0)["removed"] == ["1"]
    assert list(tmp_path.iterdir()) == []
