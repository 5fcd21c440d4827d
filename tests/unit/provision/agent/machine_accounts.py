"""The users and groups of a folder that stands for a machine: from its own etc/passwd and etc/group, if it has them."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _rows(path: Path) -> list[list[str]]:
    return [line.split(":") for line in path.read_text().splitlines() if line] if path.exists() else []


def accounts_from(etc: Path, monkeypatch: Any) -> None:
    """Let `pwd` and `grp` read the folder's files, where there are any."""
    if (etc / "passwd").exists():

        def users() -> list[pwd.struct_passwd]:
            return [pwd.struct_passwd((n, p, int(u), int(g), c, h, s)) for n, p, u, g, c, h, s in _rows(etc / "passwd")]

        monkeypatch.setattr(pwd, "getpwall", users)
        monkeypatch.setattr(pwd, "getpwnam", _finder(users, "pw_name"))
        monkeypatch.setattr(pwd, "getpwuid", _finder(users, "pw_uid"))
    if (etc / "group").exists():

        def groups() -> list[grp.struct_group]:
            rows = _rows(etc / "group")
            return [grp.struct_group((n, p, int(g), [m for m in ms.split(",") if m])) for n, p, g, ms in rows]

        monkeypatch.setattr(grp, "getgrall", groups)
        monkeypatch.setattr(grp, "getgrnam", _finder(groups, "gr_name"))
        monkeypatch.setattr(grp, "getgrgid", _finder(groups, "gr_gid"))


def _finder(entries: Callable[[], list[Any]], key: str) -> Callable[[Any], Any]:
    def find(wanted: Any) -> Any:
        for entry in entries():
            if getattr(entry, key) == wanted:
                return entry
        raise KeyError(wanted)

    return find
