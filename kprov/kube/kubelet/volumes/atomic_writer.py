"""Writes a set of files so that readers see all of the old ones or all of the new ones.

The files lie in a folder of their own with a dated name; ``..data`` is a symlink to it, and each visible name a symlink
into ``..data``. One rename of ``..data`` changes everything at once, as upstream's kubelet does it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

DATA, NEW_DATA = "..data", "..data_tmp"


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file to be written."""

    data: bytes
    mode: int
    user: int | None = None


class UnsafePathError(ValueError):
    """A path that would lead out of the volume."""


def write_payload(folder: Path, payload: Mapping[str, FileContent], group: int | None = None) -> bool:
    """Make ``folder`` show exactly ``payload`` (relative path -> content).

    Returns whether anything changed. ``group`` owns the files where it is given. Raises UnsafePathError, OSError.
    """
    for path in payload:
        _check(path)
    link = folder / DATA
    old = folder / link.readlink() if link.is_symlink() else None
    if old is not None and _shows(old, payload):
        _link_visible(folder, payload)
        return False
    stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.")
    fresh = Path(tempfile.mkdtemp(prefix=stamp, dir=folder))
    try:
        fresh.chmod(0o755)
        for path, content in payload.items():
            _write(fresh, path, content, group)
        if group is not None:
            _own(fresh, group)
        temporary = folder / NEW_DATA
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(fresh.name)
        temporary.rename(link)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    _link_visible(folder, payload)
    wanted = {path.split("/")[0] for path in payload}
    for entry in folder.iterdir():
        if entry.name.startswith(".."):
            if entry.name not in (DATA, fresh.name) and entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
        elif entry.name not in wanted and entry.is_symlink():
            entry.unlink()
    return True


def _check(path: str) -> None:
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise UnsafePathError(f"invalid path {path!r}: must be relative and must not contain '..'")


def _write(base: Path, path: str, content: FileContent, group: int | None) -> None:
    target = base / path
    for parent in reversed(target.relative_to(base).parents):
        (base / parent).mkdir(exist_ok=True)
    target.write_bytes(content.data)
    target.chmod(content.mode if group is None else content.mode | 0o040)
    if content.user is not None and group is None:
        os.chown(target, content.user, -1)


def _own(folder: Path, group: int) -> None:
    os.chown(folder, -1, group)
    for inner, folders, files in os.walk(folder):
        for name in folders + files:
            os.chown(Path(inner) / name, -1, group)


def _shows(folder: Path, payload: Mapping[str, FileContent]) -> bool:
    found = 0
    for inner, _, files in os.walk(folder):
        for name in files:
            path = Path(inner) / name
            content = payload.get(str(path.relative_to(folder)))
            if content is None or path.read_bytes() != content.data:
                return False
            found += 1
    return found == len(payload)


def _link_visible(folder: Path, payload: Mapping[str, FileContent]) -> None:
    for name in {path.split("/")[0] for path in payload}:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
