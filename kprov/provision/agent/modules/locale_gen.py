"""locale_gen: locales are there, or are not.

Parameters:
    name: the locales, such as de_DE.UTF-8.
    state: whether they must be there.

Returns:
    name: the locales.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.provision.agent import atomic, diffs, edits
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("list", required=True, elements="str"),
    "state": Parameter("str", default="present", choices=("absent", "present")),
}

_LINE = re.compile(r"^(?P<off>#\s*)?(?P<locale>\S+_\S+)\s+(?P<charset>\S+)\s*$")


def normal(name: str) -> str:
    """A locale as the program `locale` writes it: de_DE.UTF-8 as de_de.utf8."""
    return name.lower().replace("-", "")


def edited(call: Call, text: str) -> str:
    """/etc/locale.gen with the locales in use, or not.

    Raises:
        ModuleFailed: a locale that nobody has heard of.
    """
    wanted = {normal(name): name for name in call["name"]}
    seen: set[str] = set()
    lines: list[str] = []
    for line in edits.lines_of(text):
        match = _LINE.match(line.strip())
        if match is None or normal(match["locale"]) not in wanted:
            lines.append(line)
            continue
        seen.add(normal(match["locale"]))
        body = "%s %s\n" % (match["locale"], match["charset"])
        lines.append(body if call["state"] == "present" else line if match["off"] else "# " + body)
    missing = [wanted[name] for name in wanted if name not in seen]
    if missing and call["state"] == "present":
        raise ModuleFailed("/etc/locale.gen knows no locale %s" % ", ".join(missing))
    return "".join(lines)


def run(call: Call) -> dict[str, Any]:
    """Compare with the file and with what is there, then make them."""
    path = call.system_path("/etc/locale.gen")
    before = edits.read_text(path)
    if before is None:
        if call.check:
            return {"changed": True, "name": call["name"], "msg": "the package 'locales' is not installed yet"}
        raise ModuleFailed("%s does not exist: install the package 'locales'" % path)
    after = edited(call, before)
    there = {normal(name) for name in call.run(["locale", "-a"]).stdout.split()}
    present = call["state"] == "present"
    wrong = [name for name in call["name"] if (normal(name) in there) != present]
    changes: list[tuple[str, object, object]] = [
        (name, "absent" if present else "present", call["state"]) for name in wrong
    ]
    result: dict[str, Any] = {"changed": bool(wrong) or after != before, "name": call["name"]}
    if call.diff:
        old, new = before.encode(errors="surrogateescape"), after.encode(errors="surrogateescape")
        result["diff"] = diffs.unified(old, new, path) + diffs.values(changes, "locales")
    if call.check or not result["changed"]:
        return result
    if after != before:
        atomic.write(path, after.encode(errors="surrogateescape"), Wanted({}))
    if not present and os.path.exists(call.system_path("/usr/lib/locale/locale-archive")):
        os.unlink(call.system_path("/usr/lib/locale/locale-archive"))
    if wrong:
        call.run(["locale-gen"])
    return result
