"""A folder of files made from data, and compared with data: content, mode, owner, times, links."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One path of a tree, as it is."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    inode: int
    content: str  # of files the hash, of links the target
    xattrs: tuple[tuple[str, bytes], ...]


def build(root: Path, files: dict[str, Any]) -> None:
    """Make files: `path: text`, or a mapping of content or base64 or link or hard or directory, with mode and mtime."""
    for name, given in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted = given if isinstance(given, dict) else {"content": given}
        if "link" in wanted:
            path.symlink_to(wanted["link"])
            continue
        if "hard" in wanted:
            path.hardlink_to(root / wanted["hard"])
            continue
        if wanted.get("directory"):
            path.mkdir(exist_ok=True)
        else:
            content = wanted.get("content", "")
            data = base64.b64decode(wanted["base64"]) if "base64" in wanted else content.encode()
            path.write_bytes(data)
        path.chmod(int(wanted.get("mode", "0755" if wanted.get("directory") else "0644"), 8))
        if "mtime" in wanted:
            os.utime(path, (wanted["mtime"], wanted["mtime"]))


def snapshot(root: Path) -> dict[str, Entry]:
    """Everything below a folder."""
    found: dict[str, Entry] = {}
    for folder, folders, files in os.walk(root):
        for name in [".", *folders, *files] if Path(folder) == root else [*folders, *files]:
            path = Path(folder, name)
            status = path.lstat()
            kind, content = stat.filemode(status.st_mode)[0], ""
            if kind == "l":
                content = str(path.readlink())
            elif kind == "-":
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            names = os.listxattr(path, follow_symlinks=False)
            found[os.path.relpath(path, root)] = Entry(
                kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns,
                status.st_ino, content, tuple((x, os.getxattr(path, x, follow_symlinks=False)) for x in sorted(names)),
            )  # fmt: skip
    return found


def changed_paths(before: dict[str, Entry], after: dict[str, Entry]) -> set[str]:
    """Paths that are new, gone or different in what a person would call different (not their time or inode)."""
    same = {
        path
        for path in before.keys() & after.keys()
        if (a := before[path], b := after[path])
        and (a.kind, a.mode, a.uid, a.gid, a.content) == (b.kind, b.mode, b.uid, b.gid, b.content)
    }
    return (before.keys() | after.keys()) - same


def described(path: Path, like: Any) -> Any:
    """A path in the words of a case's `tree`: a text, a mapping with the keys that the case names, or None."""
    if not os.path.lexists(path):
        return None
    status = path.lstat()
    if not isinstance(like, dict):
        assert path.is_file() and not path.is_symlink(), f"{path} is no regular file"
        return path.read_bytes().decode(errors="surrogateescape")
    words: dict[str, Any] = {
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "link": str(path.readlink()) if path.is_symlink() else None,
        "directory": path.is_dir() and not path.is_symlink(),
        "mtime": int(status.st_mtime),
    }
    if path.is_file() and not path.is_symlink():
        words["content"] = path.read_bytes().decode(errors="surrogateescape")
        words["base64"] = base64.b64encode(path.read_bytes()).decode()
    if "hard" in like:
        words["hard"] = like["hard"] if path.samefile(path.parents[0] / like["hard"]) else None
    return {key: words.get(key) for key in like}
