"""An archive's members, one by one: which are wanted, which are different, and how each gets its place."""

from __future__ import annotations

import fnmatch
import os
import shutil
import stat
from collections.abc import Iterator
from typing import Any

from kprov.provision.agent import atomic
from kprov.provision.agent.archives import Member
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed


def _strip(call: Call) -> int:
    count = 0
    for option in call["extra_opts"]:
        name, separator, value = option.partition("=")
        if name not in ("--strip-components", "--strip") or not separator or not value.isdigit():
            raise ModuleFailed("'extra_opts' knows --strip-components=N only, not %s" % option)
        count = int(value)
    return count


def chosen(call: Call, members: Iterator[Member]) -> Iterator[Member]:
    """The members that are wanted, under the names that they get; those that lead out of the folder are refused."""
    strip = _strip(call)
    links: set[str] = set()
    for member in members:
        name = os.path.normpath(member.name.lstrip("/"))
        if name == ".":
            continue
        if ".." in name.split("/"):
            raise ModuleFailed("the archive holds '%s', which leads out of its folder" % member.name)
        if call["include"] and not _matches(name, call["include"]):
            continue
        if _matches(name, call["exclude"]):
            continue
        parts = name.split("/")[strip:]
        if not parts:
            continue
        member.name = "/".join(parts)
        if member.kind == "link":
            where = os.path.normpath(os.path.join(os.path.dirname(member.name), member.target))
            if where.split("/")[0] == ".." or os.path.isabs(member.target):
                links.add(member.name)  # it may point anywhere, but nothing is unpacked through it
        if any("/".join(parts[:depth]) in links for depth in range(1, len(parts))):
            raise ModuleFailed("the archive holds '%s', which leads out of its folder by a link" % member.name)
        if member.kind == "hard":
            member.target = "/".join(os.path.normpath(member.target.lstrip("/")).split("/")[strip:])
            if ".." in member.target.split("/"):
                raise ModuleFailed("the archive holds '%s', which leads out of its folder" % member.name)
        yield member


def _matches(name: str, patterns: list[str]) -> bool:
    return any(
        fnmatch.fnmatch(name, each) or name == each.rstrip("/") or name.startswith(each.rstrip("/") + "/")
        for each in patterns
    )


def _same_content(path: str, stream: Any) -> bool:
    with open(path, "rb") as there:
        while True:
            wanted = stream.read(1 << 20)
            if there.read(len(wanted) or 1) != wanted:
                return False
            if not wanted:
                return True


def _bits(call: Call, member: Member) -> Wanted:
    """The attributes that a member gets; symbolic modes build on the archive's."""
    mode = call["mode"] or "%04o" % (member.mode & ~0o022 if os.geteuid() != 0 else member.mode)
    return Wanted({"mode": mode, "owner": call["owner"], "group": call["group"]}, call.check)


def _differs(call: Call, member: Member, path: str) -> bool:
    """Whether a member is not there as the archive has it."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    if member.kind == "link":
        return not stat.S_ISLNK(status.st_mode) or os.readlink(path) != member.target
    if member.kind == "directory":
        return not os.path.isdir(path)
    if not stat.S_ISREG(status.st_mode):
        return True
    if member.kind == "hard":
        return False
    if call["keep_newer"] and status.st_mtime > member.mtime:
        return False
    if status.st_size != member.size:
        return True
    with member.open() as stream:
        return not _same_content(path, stream)


def unpack(call: Call, members: Iterator[Member], folder: str) -> tuple[list[str], list[str]]:
    """Bring the folder up to the archive. Returns the members that were different, and all of them."""
    different: list[str] = []
    names: list[str] = []
    for member in members:
        path = os.path.join(folder, member.name)
        names.append(member.name + ("/" if member.kind == "directory" else ""))
        wanted = _bits(call, member)
        if _differs(call, member, path):
            different.append(member.name)
            if not call.check:
                _put(call, member, path, folder, wanted)
        elif member.kind in ("file", "directory") and wanted.changes(path, True):
            different.append(member.name)
            if not call.check:
                wanted.apply(path, True)
    return different, names


def _put(call: Call, member: Member, path: str, folder: str, wanted: Wanted) -> None:
    above = os.path.dirname(path)
    if not os.path.isdir(above):
        os.makedirs(above)
    if member.kind == "directory":
        if os.path.lexists(path):
            raise ModuleFailed("%s is no folder, as the archive has it: move it away first" % path)
        os.mkdir(path, 0o700)
        wanted.apply(path)
        return
    if member.kind in ("link", "hard"):
        temporary = os.path.join(above, atomic.prefix() + "link")
        if member.kind == "link":
            os.symlink(member.target, temporary)
        else:
            os.link(os.path.join(folder, member.target), temporary)
        os.rename(temporary, path)
        if os.path.lexists(temporary):
            os.unlink(temporary)
        return
    with member.open() as stream:
        atomic.replace(path, lambda sink: shutil.copyfileobj(stream, sink, 1 << 20), wanted)
    os.utime(path, (member.mtime, member.mtime))
