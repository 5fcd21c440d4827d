"""old_releases: of releases that lie side by side the old ones are removed (kprov's own).

Never the one that a link leads to, nor one that a program still runs from. A folder is renamed before it is emptied:
nobody ever takes half a release for a whole one.

Parameters:
    path: the folder whose folders are the releases.
    keep: how many stay, the newest by their time; those that may not go are among them.
    links: links whose targets stay.
    names: releases that stay besides, by name.

Returns:
    removed: the names of those that were removed.
"""

from __future__ import annotations

import glob
import os
import shutil
from typing import Any

from kprov.provision.agent import diffs
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "path": Parameter("path", required=True),
    "keep": Parameter("int", required=True),
    "links": Parameter("list", default=[], elements="str"),
    "names": Parameter("list", default=[], elements="str"),
}

_GOING = ".kprov-removed-"


def _newest_first(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [
                (entry.stat(follow_symlinks=False).st_mtime, entry.name)
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            ]
    except FileNotFoundError:
        return []
    return [name for _, name in sorted(found, reverse=True)]


def _linked(call: Call) -> set[str]:
    """The releases that links lead to."""
    found = {os.path.realpath(link) for link in call["links"] if os.path.islink(link)}
    folder = os.path.realpath(call["path"])
    return {os.path.basename(target) for target in found if os.path.dirname(target) == folder}


def _in_use(folder: str, names: list[str]) -> set[str]:
    """Those that a process has a library of in its memory: it would look for more there."""
    used = set()
    for path in glob.glob("/proc/[0-9]*/maps"):
        try:
            with open(path) as stream:
                text = stream.read()
        except OSError:  # it has ended
            continue
        used |= {name for name in names if "%s/%s/" % (folder, name) in text}
    return used


def run(call: Call) -> dict[str, Any]:
    """Remove the old ones, and what an earlier run did not get to the end of."""
    folder = os.path.realpath(call["path"])
    there = _newest_first(folder)
    stay = {*_linked(call), *call["names"]}
    room = call["keep"] - len(stay & set(there))
    old = []
    for name in there:
        if name in stay:
            continue
        if room > 0:
            room -= 1
        else:
            old.append(name)
    if old:
        used = _in_use(folder, old)
        old = [name for name in old if name not in used]
    begun = glob.glob(os.path.join(glob.escape(folder), _GOING + "*"))
    if not call.check:
        for path in begun:
            shutil.rmtree(path)
        for name in old:
            path = os.path.join(folder, _GOING + name)
            os.rename(os.path.join(folder, name), path)
            shutil.rmtree(path)
    old += [os.path.basename(path)[len(_GOING) :] for path in begun]
    diff = diffs.values([("release %s" % name, "there", "absent") for name in old], folder) if call.diff else ""
    return {"changed": bool(old), "removed": old, "diff": diff}
