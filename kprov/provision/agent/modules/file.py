"""file: a path is what it should be.

Parameters:
    path: which. state: file (attributes of what is there), directory, link, hard, touch, absent.
    src: what a link points to. force: replace what is there by the link. recurse: attributes of everything below, too.
    mode, owner, group: attributes.

Returns:
    path, state, diff.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import Any

from kprov.provision.agent import diffs
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "path": Parameter("path", required=True, aliases=("dest", "name")),
    "state": Parameter("str", choices=("file", "directory", "link", "hard", "touch", "absent")),
    "src": Parameter("path"),
    "force": Parameter("bool", default=False),
    "recurse": Parameter("bool", default=False),
    "follow": Parameter("bool", default=True),
    **ATTRIBUTE_PARAMETERS,
}


def kind_of(path: str) -> str:
    """What a path is now."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return "absent"
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "directory"
    return "file"


def _make_directory(path: str, wanted: Wanted) -> None:
    missing: list[str] = []
    folder = path
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for folder in reversed(missing):
        # Closed until it has its owner: what must not be seen is not seen for an instant either.
        os.mkdir(folder, 0o700 if wanted.mode is not None else 0o755)
        wanted.apply(folder)


def _link(call: Call, path: str, now: str) -> list[tuple[str, object, object]]:
    source = call["src"]
    if source is None:
        raise ModuleFailed("state=link needs 'src', what the link points to")
    before = os.readlink(path) if now == "link" else None
    if before == source:
        return []
    if now not in ("absent", "link") and not call["force"]:
        raise ModuleFailed("%s is a %s, not a link; force: true replaces it" % (path, now))
    if not call.check:
        temporary = "%s.kprov-link" % path
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        os.symlink(source, temporary)
        if now == "directory":
            shutil.rmtree(path)
        os.rename(temporary, path)  # never a moment without the link
    return [("state", now, "link"), ("src", before, source)]


def _hard(call: Call, path: str, now: str) -> list[tuple[str, object, object]]:
    source = call["src"]
    if source is None:
        raise ModuleFailed("state=hard needs 'src', the file to share")
    if now == "file" and os.path.exists(source) and os.path.samefile(source, path):
        return []
    if not call.check:
        if now == "file":
            os.unlink(path)
        os.link(source, path)
    return [("state", now, "hard")]


def run(call: Call) -> dict[str, Any]:
    """Compare, then change."""
    path = call["path"].rstrip("/") or "/"
    now = kind_of(path)
    state = call["state"]
    if state is None:
        state = "directory" if call["recurse"] else (now if now != "absent" else "file")
    wanted = Wanted(call.arguments, call.check)
    changes: list[tuple[str, object, object]] = []
    if state == "absent":
        if now != "absent":
            changes.append(("state", now, "absent"))
            if not call.check:
                if now == "directory":
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
        return {
            "changed": bool(changes),
            "path": path,
            "state": state,
            "diff": diffs.values(changes, path) if call.diff else "",
        }
    if state == "link" and (now != "link" or call["src"] is not None):
        changes += _link(call, path, now)
    elif state == "hard":
        changes += _hard(call, path, now)
    elif state == "directory":
        if now == "absent":
            changes.append(("state", "absent", "directory"))
            if not call.check:
                _make_directory(path, wanted)
        elif not os.path.isdir(path):
            raise ModuleFailed("%s is a %s, not a folder: move it away first" % (path, now))
    elif state == "touch" and now == "absent":
        changes.append(("state", "absent", "file"))
        if not call.check:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600 if wanted.mode else 0o644))
    elif state == "file" and now == "absent":
        if call.check:
            changes.append(("state", "absent", "file"))
        else:
            raise ModuleFailed("%s does not exist; state=touch or copy makes it" % path)
    follow = state in ("directory", "file") and call["follow"]
    if os.path.lexists(path) and (not follow or os.path.exists(path)):
        found = wanted.changes(path, follow)
        if found:
            changes += found
            if not call.check:
                wanted.apply(path, follow)
    if call["recurse"] and os.path.isdir(path):
        changes += _below(call, path, wanted)
    return {
        "changed": bool(changes),
        "path": path,
        "state": state,
        "diff": diffs.values(changes, path) if call.diff else "",
    }


def _below(call: Call, path: str, wanted: Wanted) -> list[tuple[str, object, object]]:
    changes: list[tuple[str, object, object]] = []
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            below = os.path.join(folder, name)
            found = wanted.changes(below)
            if found:
                changes += [("%s of %s" % (what, below), before, after) for what, before, after in found]
                if not call.check:
                    wanted.apply(below)
    return changes
