"""sysctl: a kernel parameter is set, now and after a restart.

Parameters:
    name: the parameter, with dots or slashes.
    value: its value.
    state: whether the file must have it.
    sysctl_file: the file that keeps it over a restart.
    reload: set the running kernel's, too, where it is different.
    sysctl_set: the same; either of them is enough.
    ignoreerrors: a parameter that this kernel does not have, or does not let be set, is no failure.

Returns:
    name: the parameter.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.edits import lines_of, read_text
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", required=True, aliases=("key",)),
    "value": Parameter("str", aliases=("val",)),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "sysctl_file": Parameter("path", default="/etc/sysctl.conf"),
    "sysctl_set": Parameter("bool", default=False),
    "reload": Parameter("bool", default=True),
    "ignoreerrors": Parameter("bool", default=False),
}
REQUIRED_IF = [("state", "present", ("value",))]


def edited(text: str, name: str, value: str | None) -> str:
    """The file's text with one line for the parameter, where its first one is; without any for None."""
    pattern = re.compile(r"^\s*-?\s*%s\s*=(.*)$" % re.escape(name).replace("/", "[./]"))
    lines: list[str] = []
    there = False
    for line in lines_of(text):
        match = pattern.match(line.rstrip("\r\n"))
        if match is None:
            lines.append(line)
        elif value is not None and not there:
            there = True
            same = match.group(1).split() == value.split()
            lines.append(line if same else "%s=%s%s" % (name, value, line[len(line.rstrip("\r\n")) :]))
    if value is not None and not there:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines.append("%s=%s\n" % (name, value))
    return "".join(lines)


def kernel_path(call: Call, name: str) -> str:
    """Where the kernel shows a parameter. Names with dots in a part (network interfaces) are written with slashes."""
    path = call.system_path("/proc/sys/" + name.replace(".", "/"))
    return path if os.path.exists(path) else call.system_path("/proc/sys/" + name)


def _set(call: Call, name: str, value: str) -> list[tuple[str, object, object]]:
    """Have the running kernel's value as wished."""
    path = kernel_path(call, name)
    try:
        with open(path) as stream:
            now = stream.read()
        if now.split() == value.split():
            return []
        if not call.check:
            with open(path, "r+") as stream:
                stream.write(value)
        return [(name, " ".join(now.split()), value)]
    except FileNotFoundError:
        if not call["ignoreerrors"] and not call.check:
            words = "this kernel has no parameter %s (is the module that brings it loaded?)" % name
            raise ModuleFailed(words) from None
    except OSError as error:
        if not call["ignoreerrors"]:
            raise ModuleFailed("%s could not be set to %s: %s" % (name, value, error.strerror)) from None
    return []


def run(call: Call) -> dict[str, Any]:
    """Compare file and kernel, then change what differs."""
    name, value, path = call["name"], call["value"], call["sysctl_file"]
    value = (value or "").strip()
    if call["state"] == "present" and not value:
        raise ModuleFailed("'value' is empty")
    if path == PARAMETERS["sysctl_file"].default:
        path = call.system_path(path)
    before = read_text(path)
    after = edited(before or "", name, value if call["state"] == "present" else None)
    diff = ""
    changed = after != (before or "")
    if changed:
        old, new = (None if t is None else t.encode(errors="surrogateescape") for t in (before, after))
        diff = diffs.unified(old, new, path) if call.diff else ""
        if not call.check:
            atomic.write(path, after.encode(errors="surrogateescape"), Wanted({}))
    if call["state"] == "present" and (call["reload"] or call["sysctl_set"]):
        kernel = _set(call, name, value)
        changed = changed or bool(kernel)
        diff += diffs.values(kernel, "/proc/sys") if call.diff else ""
    return {"changed": changed, "name": name, "diff": diff}
