"""file: a path is what it should be.

Parameters:
    path: which.
    state: absent, directory (with those above it), file (only attributes of what is there), hard or link (to `src`),
        touch (made if it is not there; its times are set).
    src: what a link points to.
    force: link to what is not there yet; replace a file or an empty folder by the link.
    recurse: the attributes of everything below, too.
    follow: attributes are those of what a link points to.
    modification_time: preserve, now, or a time as modification_time_format says.
    modification_time_format: how the time is written, as in strftime.
    access_time: preserve, now, or a time as access_time_format says.
    access_time_format: how the time is written, as in strftime.
    mode: permissions, octal ("0644") or symbolic ("u=rw,g=r").
    owner: the owner.
    group: the group.

Returns:
    path: the path (dest for links and touch).
    state: what is there now.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

TIME_FORMAT = "%Y%m%d%H%M.%S"

PARAMETERS = {
    "path": Parameter("path", required=True, aliases=("dest", "name")),
    "state": Parameter("str", choices=("absent", "directory", "file", "hard", "link", "touch")),
    "src": Parameter("path"),
    "force": Parameter("bool", default=False),
    "recurse": Parameter("bool", default=False),
    "follow": Parameter("bool", default=True),
    "modification_time": Parameter("str"),
    "modification_time_format": Parameter("str", default=TIME_FORMAT),
    "access_time": Parameter("str"),
    "access_time_format": Parameter("str", default=TIME_FORMAT),
    **ATTRIBUTE_PARAMETERS,
}

Changes = list[tuple[str, object, object]]


def kind_of(path: str) -> str:
    """What a path is now: absent, link, directory or file."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "directory"
    return "file"


def make_directories(path: str, wanted: Wanted) -> None:
    """Make a folder and those above it that are missing, each with the attributes that are asked for."""
    missing: list[str] = []
    folder = path
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for folder in reversed(missing):
        # Closed until it has its owner: what must not be seen is not seen for an instant either.
        try:
            os.mkdir(folder, 0o700 if wanted.mode is not None else 0o777)
        except FileExistsError:
            if not os.path.isdir(folder):  # else somebody has just made it, such as a task of another of its names
                raise ModuleFailed("%s is no folder: move it away first" % folder) from None
        except OSError as error:
            raise atomic.explained(error, folder) from None
        wanted.apply(folder)


def _absent(call: Call, path: str, now: str) -> Changes:
    if now == "absent":
        return []
    if not call.check:
        try:
            if now == "directory":
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except OSError as error:
            raise ModuleFailed("%s cannot be removed: %s" % (error.filename or path, error.strerror)) from None
    return [("state", now, "absent")]


def _put_link(path: str, make: Any) -> None:
    """Give a link its name in one step: there is never a moment without it."""
    temporary = os.path.join(os.path.dirname(path) or ".", "%slink" % atomic.prefix())
    try:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        make(temporary)
        os.rename(temporary, path)
        if os.path.lexists(temporary):
            os.unlink(temporary)  # two names of one file: renaming one to the other does nothing
    except OSError as error:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise atomic.explained(error, path) from None


def _link(call: Call, path: str, now: str) -> Changes:
    source = call["src"]
    if source is None:
        if now != "link":
            raise ModuleFailed("state=link needs 'src', what the link points to")
        return []
    before = os.readlink(path) if now == "link" else None
    target = os.path.join(path if now == "directory" else os.path.dirname(path), source)
    if not call["force"] and not call.check and not os.path.exists(target):
        raise ModuleFailed("%s, where the link leads, does not exist; force: true links to it all the same" % source)
    if before == source:
        return []
    if now == "directory":
        if not call["force"]:
            raise ModuleFailed("%s is a folder, not a link; force: true replaces it if it is empty" % path)
        if os.listdir(path):
            raise ModuleFailed("%s is a folder with something in it, so no link replaces it: empty it first" % path)
    elif now == "file" and not call["force"]:
        raise ModuleFailed("%s is a file, not a link; force: true replaces it" % path)
    if not call.check:
        if now == "directory":
            os.rmdir(path)
        _put_link(path, lambda temporary: os.symlink(source, temporary))
    return [("state", None if now == "link" else now, None if now == "link" else "link"), ("src", before, source)]


def _hard(call: Call, path: str, now: str) -> Changes:
    source = call["src"]
    if source is None:
        raise ModuleFailed("state=hard needs 'src', the file to share")
    if not os.path.exists(source):
        if call.check:
            return [("state", now, "hard")]
        raise ModuleFailed("%s, the file to share, does not exist" % source)
    if now == "file" and os.path.samefile(source, path):
        return []
    if now == "directory" or (now == "file" and not call["force"]):
        hint = "move it away first" if now == "directory" else "force: true replaces it"
        raise ModuleFailed("%s is a %s that is not %s; %s" % (path, now, source, hint))
    if not call.check:
        _put_link(path, lambda temporary: os.link(source, temporary))
    return [("state", now, "hard")]


def _directory(call: Call, path: str, now: str, wanted: Wanted) -> Changes:
    if now == "absent":
        if not call.check:
            make_directories(path, wanted)
        return [("state", "absent", "directory")]
    if not os.path.isdir(path):
        raise ModuleFailed("%s is a %s, not a folder: move it away first" % (path, now))
    return []


def _touch(call: Call, path: str, now: str, wanted: Wanted) -> Changes:
    if now != "absent":
        return []
    if not call.check:
        atomic.write(path, b"", wanted)
    return [("state", "absent", "touch")]


def _seconds(call: Call, name: str, before: int) -> int:
    """A time that is asked for, in nanoseconds."""
    wanted = call[name]
    if wanted is None:
        wanted = "now" if call["state"] == "touch" else "preserve"
    if wanted == "preserve":
        return before
    if wanted == "now":
        return time.time_ns()
    try:
        return int(time.mktime(time.strptime(wanted, call[name + "_format"]))) * 10**9
    except ValueError as error:
        raise ModuleFailed("'%s' cannot be read: %s" % (name, error)) from None


def _times(call: Call, path: str) -> Changes:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return []
    access, change = (
        _seconds(call, "access_time", status.st_atime_ns),
        _seconds(call, "modification_time", status.st_mtime_ns),
    )
    changes: Changes = []
    for name, before, after in (("mtime", status.st_mtime_ns, change), ("atime", status.st_atime_ns, access)):
        if before != after:
            changes.append((name, before / 1e9, "now" if abs(time.time_ns() - after) < 10**9 else after / 1e9))
    if changes and not call.check:
        os.utime(path, ns=(access, change))
    return changes


def run(call: Call) -> dict[str, Any]:
    """Compare, then change."""
    path = call["path"].rstrip("/") or "/"
    now = kind_of(path)
    state = call["state"]
    if state is None:
        state = "directory" if call["recurse"] else ("hard" if call["src"] and now == "file" else now)
        state = "file" if state == "absent" else state
    if call["recurse"] and state != "directory":
        raise ModuleFailed("'recurse' goes with state=directory only")
    wanted = Wanted(call.arguments, call.check)
    result: dict[str, Any] = {"dest" if state in ("link", "hard", "touch") else "path": path}
    follow = bool(call["follow"])
    times: Changes = []
    if state == "absent":
        changes = _absent(call, path, now)
        result["state"] = "absent"
        result.update(changed=bool(changes), diff=diffs.values(changes, path) if call.diff else "")
        return result
    if state == "link":
        changes = _link(call, path, now)
    elif state == "hard":
        changes = _hard(call, path, now)
    elif state == "directory":
        changes = _directory(call, path, now, wanted)
    elif state == "touch":
        changes = _touch(call, path, now, wanted)
    elif now == "absent" or (now == "link" and follow and not os.path.exists(path)):
        if not call.check:
            raise ModuleFailed("%s does not exist; state=touch or copy makes it" % path)
        changes = [("state", "absent", "file")]
    else:
        changes = []
        if now == "directory":
            raise ModuleFailed("%s is a folder, not a file; state=directory is for folders" % path)
    announced = call.check and (now == "absent" or (changes and state in ("link", "hard")))
    if not announced and os.path.lexists(path):
        followed = follow and os.path.exists(path)
        found = wanted.changes(path, followed)
        changes += found
        if found and not call.check:
            wanted.apply(path, followed)
        new = state == "touch" and now == "absent" and call["modification_time"] is call["access_time"] is None
        times = _times(call, path) if state != "link" and not new else []
    if call["recurse"] and os.path.isdir(path):
        changes += _below(call, path, wanted, follow, set())
    changes += times
    result["changed"] = bool(changes)
    if call.diff:
        result["diff"] = diffs.values(changes, path)
    return result


def _below(call: Call, path: str, wanted: Wanted, follow: bool, seen: set[str]) -> Changes:
    """Attributes of everything below a folder; links are followed where `follow` says so, no folder twice."""
    changes: Changes = []
    real = os.path.realpath(path)
    if real in seen:
        return changes
    seen.add(real)
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in folders + sorted(files):
            below = os.path.join(folder, name)
            target = os.path.islink(below) and follow and os.path.exists(below) and os.path.realpath(below) not in seen
            for followed in (False, True) if target else (False,):
                found = wanted.changes(below, followed)
                changes += [("%s of %s" % (what, below), before, after) for what, before, after in found]
                if found and not call.check:
                    wanted.apply(below, followed)
            if target and os.path.isdir(below):
                changes += _below(call, below, wanted, follow, seen)
            elif target:
                seen.add(os.path.realpath(below))
    return changes
