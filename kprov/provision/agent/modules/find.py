"""find: paths below folders.

Parameters:
    paths: the folders.
    patterns: names as a shell would match them, or regular expressions with use_regex; none: all.
    excludes: names that are left out, in the same way.
    use_regex: patterns and excludes are regular expressions.
    contains: a regular expression that a line of the file must begin with, or be found in it with read_whole_file.
    read_whole_file: look for `contains` anywhere in the file.
    file_type: what is looked for.
    recurse: in folders below, too.
    depth: no deeper than so many folders.
    hidden: names that begin with a dot, too.
    follow: folders that links point to, too.
    age: at least so old (30s, 5m, 4h, 2d, 1w); with a minus at most so old.
    age_stamp: which time is meant.
    size: at least so large (10k, 5m, 1g); with a minus at most so large.
    mode: only what has these permissions; with exact_mode false, at least these.
    exact_mode: whether `mode` is exactly the permissions.
    limit: no more than so many.
    get_checksum: tell the files' checksum.
    checksum_algorithm: the checksum's.

Returns:
    files: a list of mappings as stat gives them.
    matched: how many.
    examined: how many were looked at.
    skipped_paths: folders that could not be looked into, and why.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import time
from collections.abc import Iterator
from typing import Any, Callable

from kprov.provision.agent.attributes import mode_bits
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_digests
from kprov.provision.agent.edits import pattern
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.modules.stat import ALGORITHMS, described
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "paths": Parameter("list", required=True, aliases=("name", "path"), elements="path"),
    "patterns": Parameter("list", default=[], aliases=("pattern",), elements="str"),
    "excludes": Parameter("list", default=[], aliases=("exclude",), elements="str"),
    "use_regex": Parameter("bool", default=False),
    "contains": Parameter("str"),
    "read_whole_file": Parameter("bool", default=False),
    "file_type": Parameter("str", default="file", choices=("any", "directory", "file", "link")),
    "recurse": Parameter("bool", default=False),
    "depth": Parameter("int"),
    "hidden": Parameter("bool", default=False),
    "follow": Parameter("bool", default=False),
    "age": Parameter("str"),
    "age_stamp": Parameter("str", default="mtime", choices=("atime", "ctime", "mtime")),
    "size": Parameter("str"),
    "mode": Parameter("mode"),
    "exact_mode": Parameter("bool", default=True),
    "limit": Parameter("int"),
    "get_checksum": Parameter("bool", default=False),
    "checksum_algorithm": Parameter("str", default="sha1", choices=ALGORITHMS, aliases=("checksum", "checksum_algo")),
}

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "": 1}
_BYTES = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "": 1}

Condition = Callable[[str, os.stat_result], bool]


def _amount(text: str, name: str, units: dict[str, int]) -> int:
    match = re.match(r"^(-?\d+)([a-z]?)$", text.lower())
    if match is None or match.group(2) not in units:
        raise ModuleFailed("'%s' is no %s: write a number and one of %s" % (text, name, ", ".join(filter(None, units))))
    return int(match.group(1)) * units[match.group(2)]


def _names(call: Call) -> Callable[[str], bool]:
    def any_of(patterns: list[str], name: str) -> bool:
        if call["use_regex"]:
            return any(pattern(each, "patterns").match(name) for each in patterns)
        return any(fnmatch.fnmatch(name, each) for each in patterns)

    def wanted(name: str) -> bool:
        if name.startswith(".") and not call["hidden"]:
            return False
        return (not call["patterns"] or any_of(call["patterns"], name)) and not any_of(call["excludes"], name)

    return wanted


def _conditions(call: Call) -> list[Condition]:
    found: list[Condition] = []
    if call["age"] is not None:
        age, now = _amount(call["age"], "age", _SECONDS), time.time()
        stamp = "st_" + str(call["age_stamp"])
        found.append(
            lambda _, status: now - getattr(status, stamp) >= age if age >= 0 else now - getattr(status, stamp) <= -age
        )
    if call["size"] is not None:
        size = _amount(call["size"], "size", _BYTES)
        found.append(lambda _, status: status.st_size >= size if size >= 0 else status.st_size <= -size)
    if call["mode"] is not None:
        bits = mode_bits(call["mode"], 0, False)
        exact = call["exact_mode"]
        found.append(
            lambda _, status: (
                stat.S_IMODE(status.st_mode) == bits if exact else bool(stat.S_IMODE(status.st_mode) & bits == bits)
            )
        )
    if call["contains"] is not None:
        found.append(lambda path, status: stat.S_ISREG(status.st_mode) and _contains(call, path))
    return found


def _contains(call: Call, path: str) -> bool:
    wanted = pattern(call["contains"], "contains")
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            if call["read_whole_file"]:
                return wanted.search(stream.read()) is not None
            return any(wanted.match(line) for line in stream)
    except OSError:
        return False


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "directory"
    return "file" if stat.S_ISREG(mode) else "other"


def _walk(call: Call, top: str, skipped: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Every path below a folder, as far as is wanted."""

    def noted(error: OSError) -> None:
        skipped[str(error.filename)] = error.strerror or str(error)

    base = top.rstrip("/").count("/")
    for folder, folders, files in os.walk(top, onerror=noted, followlinks=call["follow"]):
        folders.sort()
        for name in sorted(folders + files):
            yield folder, name
        deep = call["depth"] is not None and folder.rstrip("/").count("/") - base + 1 >= call["depth"]
        if not call["recurse"] or deep:
            folders.clear()


def run(call: Call) -> dict[str, Any]:
    """Look."""
    found: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    wanted, conditions, examined = _names(call), _conditions(call), 0
    for top in call["paths"]:
        if not os.path.isdir(top):
            skipped[top] = "'%s' is not a directory" % top
            continue
        for folder, name in _walk(call, top, skipped):
            examined += 1
            path = os.path.normpath(os.path.join(folder, name))
            if not wanted(name) or (call["limit"] is not None and len(found) >= call["limit"]):
                continue
            try:
                status = os.stat(path) if call["follow"] and os.path.exists(path) else os.lstat(path)
            except OSError as error:
                skipped[path] = error.strerror or str(error)
                continue
            if call["file_type"] not in ("any", _kind(status.st_mode)):
                continue
            if all(condition(path, status) for condition in conditions):
                entry = described(path, status)
                if call["get_checksum"] and entry["isreg"]:
                    entry["checksum"] = file_digests(path, call["checksum_algorithm"])[0]
                found.append(entry)
    return {
        "changed": False,
        "files": found,
        "matched": len(found),
        "examined": examined,
        "skipped_paths": skipped,
        "msg": "Not all paths examined, check warnings for details" if skipped else "All paths examined",
    }
