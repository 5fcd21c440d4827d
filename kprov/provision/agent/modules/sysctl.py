"""sysctl: a kernel parameter is set, now and after a restart.

Parameters:
    name, value. sysctl_file: where it is written (default /etc/sysctl.d/99-kprov.conf). state: present or absent
        (of the file).
    reload: set the running kernel's, too. ignoreerrors: a parameter that this kernel does not have is no failure.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.edits import read_text
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", required=True, aliases=("key",)),
    "value": Parameter("str", aliases=("val",)),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "sysctl_file": Parameter("path", default="/etc/sysctl.d/99-kprov.conf"),
    "sysctl_set": Parameter("bool", default=False),
    "reload": Parameter("bool", default=True),
    "ignoreerrors": Parameter("bool", default=False),
}


def _file_text(text: str, name: str, value: str | None) -> str:
    pattern = re.compile(r"^\s*-?%s\s*=" % re.escape(name))
    lines = [line for line in text.split("\n") if not pattern.match(line)]
    if value is None:
        return "\n".join(lines)
    wanted = "%s = %s" % (name, value)
    existing = [line for line in text.split("\n") if pattern.match(line)]
    if len(existing) == 1 and existing[0].split("=", 1)[1].split() == value.split():
        return text
    while lines and lines[-1] == "":
        lines.pop()
    return "\n".join([*lines, wanted]) + "\n"


def run(call: Call) -> dict[str, Any]:
    """Compare file and kernel, then change what differs."""
    name, value, path = call["name"], call["value"], call["sysctl_file"]
    if call["state"] == "present" and value is None:
        raise ModuleFailed("state=present needs 'value'")
    changes: list[tuple[str, object, object]] = []
    before = read_text(path)
    after = _file_text(before or "", name, value if call["state"] == "present" else None)
    diff = ""
    if after != (before or ""):
        changes.append((name, None, value))
        diff = diffs.unified(None if before is None else before.encode(), after.encode(), path) if call.diff else ""
        if not call.check:
            atomic.write(path, after.encode(), Wanted({"mode": "0644"}))
    if call["state"] == "present" and (call["reload"] or call["sysctl_set"]):
        kernel = "/proc/sys/" + name.replace(".", "/")
        if not os.path.exists(kernel):
            # Names with dots in a part (network interfaces) are written with slashes.
            kernel = "/proc/sys/" + name
        try:
            with open(kernel) as stream:
                now = stream.read()
            if now.split() != value.split():
                changes.append((name, " ".join(now.split()), value))
                diff += diffs.values([(name, " ".join(now.split()), value)], kernel) if call.diff else ""
                if not call.check:
                    with open(kernel, "w") as stream:
                        stream.write(value)
        except FileNotFoundError:
            if not call["ignoreerrors"] and not call.check:
                raise ModuleFailed(
                    "this kernel has no parameter %s (is the module that brings it loaded?)" % name
                ) from None
        except OSError as error:
            if not call["ignoreerrors"]:
                raise ModuleFailed("%s could not be set to %s: %s" % (name, value, error.strerror)) from None
    return {"changed": bool(changes), "name": name, "diff": diff}
