"""Mode, owner and group of files: what is wanted, what is there, and the change between."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from typing import Any, Callable

from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

# What SELinux knows of a file. As in Ansible they mean nothing on machines without it.
SELINUX = ("seuser", "serole", "setype", "selevel")
_SELINUX_IS_ON = "/sys/fs/selinux/enforce"

# Shared by every module that makes files.
ATTRIBUTE_PARAMETERS = {
    "mode": Parameter("mode"),
    "owner": Parameter("str"),
    "group": Parameter("str"),
    **{name: Parameter("str") for name in SELINUX},
}

_SYMBOLIC = r"^([ugoa]*)((?:[=+-](?:[ugo]|[rwxXst]*))+)$"
_OPERATION = r"([=+-])([ugo]|[rwxXst]*)"
_BITS = {"r": 4, "w": 2, "x": 1}
_SHIFT = {"u": 6, "g": 3, "o": 0}


def mode_bits(mode: str, current: int, is_directory: bool) -> int:
    """The permission bits that a mode asks for.

    Args:
        mode: octal or symbolic ("u=rwX,go=rX").
        current: the bits now, which symbolic modes build on.
        is_directory: `X` means execute for folders.

    Raises:
        ModuleFailed: the mode cannot be read.
    """
    if mode.isdigit():
        return int(mode, 8)
    bits = current
    for part in mode.split(","):
        match = re.match(_SYMBOLIC, part)
        if match is None:
            raise ModuleFailed("mode %r cannot be read at %r" % (mode, part))
        who, operations = match.groups()
        who = "ugo" if not who or "a" in who else who
        for operator, what in re.findall(_OPERATION, operations):
            before = bits
            for person in who:
                bits = _changed(bits, before, person, operator, what, is_directory)
    return bits


def _changed(bits: int, before: int, person: str, operator: str, what: str, is_directory: bool) -> int:
    """The bits after one operation for one of user, group and others."""
    value = 0
    if what in _SHIFT:  # g=u: as another has it
        value = ((before >> _SHIFT[what]) & 7) << _SHIFT[person]
        what = ""
    for letter in what:
        if letter in _BITS:
            value |= _BITS[letter] << _SHIFT[person]
        elif letter == "X" and (is_directory or before & 0o111):
            value |= 1 << _SHIFT[person]
        elif letter == "s" and person in "ug":
            value |= stat.S_ISUID if person == "u" else stat.S_ISGID
        elif letter == "t":
            value |= stat.S_ISVTX
    if operator == "=":
        # A folder keeps its set-id bits unless they are named, as with chmod.
        special = {"u": stat.S_ISUID, "g": stat.S_ISGID, "o": stat.S_ISVTX}[person]
        return (bits & ~((7 << _SHIFT[person]) | (0 if is_directory else special))) | value
    return bits | value if operator == "+" else bits & ~value


def user_id(owner: str) -> int | None:
    """A user's number, None where there is no such user."""
    if owner.isdigit():
        return int(owner)
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError:
        return None


def group_id(group: str) -> int | None:
    """A group's number, None where there is no such group."""
    if group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


_names: dict[tuple[str, int, tuple[int, int, int]], str] = {}


def _name(path: str, number: int, ask: Callable[[int], str]) -> str:
    """A name that does not change while its file does not: every task asks for the same few."""
    try:
        status = os.stat(path)
    except OSError:
        return ask(number)
    key = (path, number, (status.st_ino, status.st_mtime_ns, status.st_size))
    if key not in _names:
        _names[key] = ask(number)
    return _names[key]


def owner_name(uid: int) -> str:
    """A user's name, its number where it has none."""
    return _name("/etc/passwd", uid, _owner_name)


def group_name(gid: int) -> str:
    """A group's name, its number where it has none."""
    return _name("/etc/group", gid, _group_name)


def _owner_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


class Wanted:
    """The attributes that a task asks for.

    Args:
        arguments: the module's, with mode, owner and group (None: leave as it is).
        check: nothing will be changed; a user that an earlier task would make may be missing.

    Raises:
        ModuleFailed: no such user or group.
    """

    def __init__(self, arguments: dict[str, Any], check: bool = False) -> None:
        self.mode: str | None = arguments.get("mode")
        self.owner: str | None = arguments.get("owner")
        self.group: str | None = arguments.get("group")
        if any(arguments.get(name) is not None for name in SELINUX) and os.path.exists(_SELINUX_IS_ON):
            raise ModuleFailed("SELinux is on here, and kprov gives files no %s" % ", ".join(SELINUX))
        self.uid = -1
        self.gid = -1
        # In check mode an earlier task may be about to make the user: that is a change, not an error.
        self.unknown_owner = False
        self.unknown_group = False
        if self.owner is not None:
            uid = user_id(self.owner)
            if uid is None and not check:
                raise ModuleFailed("there is no user '%s' on this machine" % self.owner)
            self.unknown_owner = uid is None
            self.uid = -1 if uid is None else uid
        if self.group is not None:
            gid = group_id(self.group)
            if gid is None and not check:
                raise ModuleFailed("there is no group '%s' on this machine" % self.group)
            self.unknown_group = gid is None
            self.gid = -1 if gid is None else gid

    def changes(self, path: str, follow: bool = False) -> list[tuple[str, object, object]]:
        """What differs at an existing path, as (name, before, after)."""
        status = os.stat(path) if follow else os.lstat(path)
        found: list[tuple[str, object, object]] = []
        is_link = stat.S_ISLNK(status.st_mode)
        if self.mode is not None and not is_link:
            current = stat.S_IMODE(status.st_mode)
            bits = mode_bits(self.mode, current, stat.S_ISDIR(status.st_mode))
            if bits != current:
                found.append(("mode", "%04o" % current, "%04o" % bits))
        if self.unknown_owner or (self.uid != -1 and self.uid != status.st_uid):
            found.append(("owner", owner_name(status.st_uid), self.owner))
        if self.unknown_group or (self.gid != -1 and self.gid != status.st_gid):
            found.append(("group", group_name(status.st_gid), self.group))
        return found

    def apply(self, path: str, follow: bool = False) -> None:
        """Give the path these attributes (owner first: changing the owner drops set-user-id bits)."""
        status = os.stat(path) if follow else os.lstat(path)
        if (self.uid, self.gid) != (-1, -1):
            os.chown(path, self.uid, self.gid, follow_symlinks=follow)
        if self.mode is not None and not stat.S_ISLNK(status.st_mode):
            os.chmod(path, mode_bits(self.mode, stat.S_IMODE(status.st_mode), stat.S_ISDIR(status.st_mode)))


def describe(path: str) -> dict[str, Any]:
    """What Ansible tells of the file that a module worked on: its owner, mode, size and kind.

    Source: https://docs.ansible.com/ansible/latest/collections/ansible/builtin/file_module.html (return values of every
    module that gives `path` or `dest` back).
    """
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return {"state": "absent"}
    kind = "file"
    if stat.S_ISLNK(status.st_mode):
        kind = "link"
    elif stat.S_ISDIR(status.st_mode):
        kind = "directory"
    elif status.st_nlink > 1:
        kind = "hard"
    return {
        "uid": status.st_uid,
        "gid": status.st_gid,
        "owner": owner_name(status.st_uid),
        "group": group_name(status.st_gid),
        "mode": "%04o" % stat.S_IMODE(status.st_mode),
        "size": status.st_size,
        "state": kind,
    }
