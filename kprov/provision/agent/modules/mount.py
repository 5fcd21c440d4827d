"""mount: a file system is mounted and in /etc/fstab, or is not.

Parameters:
    path: where it is mounted.
    src: what is mounted.
    fstype: its kind.
    opts: its options.
    dump: whether dump saves it.
    passno: when fsck looks at it.
    state: mounted: in fstab and mounted, with these options; present: only in fstab; unmounted: not mounted, fstab
        stays; absent: neither, and the folder goes; absent_from_fstab: only out of fstab; remounted: mounted anew;
        ephemeral: mounted, but not in fstab.
    fstab: the file.
    boot: it is mounted with every start.
    backup: keep the file as it was beside it.

Returns:
    path: where it is mounted.
    name: the same.
    src: what is mounted.
    fstype: its kind.
    opts: its options.
    backup_file: the path of the backup, where one was made.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.provision.agent import atomic, backups, diffs, edits
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

_STATES = ("absent", "absent_from_fstab", "ephemeral", "mounted", "present", "remounted", "unmounted")

PARAMETERS = {
    "path": Parameter("path", required=True, aliases=("name",)),
    "src": Parameter("path"),
    "fstype": Parameter("str"),
    "opts": Parameter("str"),
    "dump": Parameter("str", default="0"),
    "passno": Parameter("str", default="0"),
    "state": Parameter("str", required=True, choices=_STATES),
    "fstab": Parameter("path"),
    "boot": Parameter("bool", default=True),
    "backup": Parameter("bool", default=False),
}
REQUIRED_IF = [(key, state, ("src", "fstype")) for key in ("state",) for state in ("ephemeral", "mounted", "present")]


def _escaped(text: str) -> str:
    """A word of fstab."""
    return text.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")


def _plain(text: str) -> str:
    return re.sub(r"\\(040|011|012|134)", lambda match: chr(int(match[1], 8)), text)


def _options(call: Call) -> str:
    options = call["opts"] or "defaults"
    if not call["boot"] and "noauto" not in options.split(","):
        options += ",noauto"
    return str(options)


def edited(call: Call, text: str, present: bool) -> str:
    """fstab with the mount's line, or without."""
    path = _plain(call["path"])
    fields = [call["src"] or "", path, call["fstype"] or "", _options(call)]
    new = " ".join([*map(_escaped, fields), call["dump"], call["passno"]]) + "\n"
    lines: list[str] = []
    there = False
    for line in edits.lines_of(text):
        words = line.split()
        mine = len(words) >= 4 and not words[0].startswith("#") and _plain(words[1]) == path
        mine = mine and (words[2] != "swap" or _plain(words[0]) == call["src"])
        if not mine:
            lines.append(line)
        elif present and not there:
            there = True
            same = [*words, "0", "0"][:6] == new.split()
            lines.append(line if same else new)
    if present and not there:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines.append(new)
    return "".join(lines)


def mounted(call: Call, path: str) -> tuple[str, str, str] | None:
    """What is mounted on a folder: source, kind and options; None: nothing."""
    found = None
    real = os.path.realpath(path)
    for line in (edits.read_text(call.system_path("/proc/self/mountinfo")) or "").splitlines():
        head, _, tail = line.partition(" - ")
        words, rest = head.split(), tail.split()
        if len(words) > 5 and len(rest) > 1 and _plain(words[4]) in (path, real):
            source = _plain(rest[1])
            if words[3] != "/" and rest[0] != "btrfs":  # a folder of another file system
                source = _plain(words[3])
            found = (source, rest[0], words[5])
    return found


def _mount(call: Call, state: str, fstab_changed: bool) -> list[tuple[str, object, object]]:
    """Have it mounted as the state says."""
    path, now = call["path"], mounted(call, call["path"])
    if state in ("absent", "unmounted"):
        if now is None:
            return []
        if not call.check:
            call.run(["umount", path])
        return [("mount", now[0], None)]
    if state == "remounted":
        if now is None:
            raise ModuleFailed("nothing is mounted on %s" % path)
        if not call.check and call.run(["mount", "-o", "remount", path], succeed=False).rc != 0:
            call.run(["umount", path])
            call.run(["mount", path])
        return [("mount", now[0], "mounted anew")]
    options = ["-o", _options(call)] if call["opts"] or not call["boot"] else []
    command = ["mount", "-t", call["fstype"], *options, call["src"], path]
    if now is None:
        if not call.check:
            new = not os.path.exists(path)
            if new:
                os.makedirs(path)
            try:
                call.run(command)
            except ModuleFailed:
                if new:
                    os.rmdir(path)
                raise
        return [("mount", None, call["src"])]
    if state == "mounted" and fstab_changed:
        if not call.check:
            call.run(["mount", "-o", "remount,%s" % _options(call), path])
        return [("mount", now[0], "mounted anew")]
    if state == "ephemeral" and now[0] != call["src"] and not call["src"].startswith(("UUID=", "LABEL=")):
        raise ModuleFailed("%s is mounted on %s already" % (now[0], path))
    return []


def run(call: Call) -> dict[str, Any]:
    """Compare fstab and what is mounted, then change what differs."""
    path, state = call["path"], call["state"]
    fstab = call["fstab"] or call.system_path("/etc/fstab")
    before = edits.read_text(fstab)
    result: dict[str, Any] = {"changed": False, "path": path, "name": path, "fstab": fstab}
    result.update(src=call["src"], fstype=call["fstype"], opts=_options(call))
    diff = ""
    new = before or ""
    if state in ("mounted", "present"):
        new = edited(call, new, True)
    elif state in ("absent", "absent_from_fstab"):
        new = edited(call, new, False)
    if new != (before or ""):
        old, wanted = (None if t is None else t.encode(errors="surrogateescape") for t in (before, new))
        diff = diffs.unified(old, wanted, fstab)
        result["changed"] = True
        if not call.check:
            if call["backup"] and before is not None:
                result["backup_file"] = backups.keep(fstab)
            atomic.write(fstab, new.encode(errors="surrogateescape"), Wanted({}))
    if state in ("absent", "ephemeral", "mounted", "remounted", "unmounted"):
        changes = _mount(call, state, result["changed"])
        if state == "absent" and os.path.isdir(path) and not os.listdir(path):
            changes.append(("folder", path, None))
            if not call.check:
                os.rmdir(path)
        diff += diffs.values(changes, path)
        result["changed"] = result["changed"] or bool(changes)
    result["diff"] = diff if call.diff else ""
    return result
