"""alternatives: which of several programs a common name stands for.

Parameters:
    name: the common name, such as editor.
    path: the program that it stands for.
    link: the link that everyone uses, for an alternative that is not known yet.
    priority: how much it counts where nobody chooses.
    state: selected: it is chosen; present: it is known; auto: nobody chooses; absent: it is not known.
    subcommands: further links that follow it, a list of {name, path, link}.

Returns:
    name: the common name.
"""

from __future__ import annotations

import re
from typing import Any

from kprov.provision.agent import diffs
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", required=True),
    "path": Parameter("path"),
    "link": Parameter("path"),
    "priority": Parameter("int"),
    "state": Parameter("str", default="selected", choices=("absent", "auto", "present", "selected")),
    "subcommands": Parameter("list", aliases=("slaves",), elements="dict"),
}
REQUIRED_IF = [("state", state, ("path",)) for state in ("absent", "present", "selected")]


class Known:
    """What update-alternatives knows of a name."""

    def __init__(self, text: str) -> None:
        head, *blocks = re.split(r"\n\n", text)
        fields = dict(re.findall(r"^(\w+): (.*)$", head, re.MULTILINE))
        self.link, self.value = fields.get("Link"), fields.get("Value")
        self.manual = fields.get("Status") == "manual"
        self.priorities: dict[str, int] = {}
        self.followers: dict[str, dict[str, str]] = {}
        for block in blocks:
            found = dict(re.findall(r"^(\w+): (.*)$", block, re.MULTILINE))
            if "Alternative" in found:
                path = found["Alternative"]
                self.priorities[path] = int(found.get("Priority", 0))
                rest = block.partition("Slaves:")[2]
                self.followers[path] = dict(re.findall(r"^ (\S+) (\S+)$", rest, re.MULTILINE))


def run(call: Call) -> dict[str, Any]:
    """Compare, then tell update-alternatives."""
    name, path, state = call["name"], call["path"], call["state"]
    asked = call.run(["update-alternatives", "--query", name], succeed=False)
    known = Known(asked.stdout if asked.rc == 0 else "")
    changes: list[tuple[str, object, object]] = []
    commands: list[list[str]] = []
    if state == "absent":
        if path in known.priorities:
            changes.append((path, known.priorities[path], None))
            commands.append(["--remove", name, path])
        return _done(call, changes, commands)
    if path is not None:
        wanted = {entry["name"]: entry["path"] for entry in call["subcommands"] or []}
        priority = call["priority"] if call["priority"] is not None else known.priorities.get(path, 50)
        stale = known.priorities.get(path) != priority
        stale = stale or (call["subcommands"] is not None and known.followers.get(path) != wanted)
        if stale or (call["link"] is not None and known.link != call["link"]):
            link = call["link"] or known.link
            if link is None:
                raise ModuleFailed("'%s' is not known yet: 'link' must say which link everyone uses" % name)
            changes.append((path, known.priorities.get(path), priority))
            command = ["--install", link, name, path, str(priority)]
            for entry in call["subcommands"] or []:
                command += ["--slave", entry["link"], entry["name"], entry["path"]]
            commands.append(command)
    if state == "selected" and (known.value != path or not known.manual):
        if known.value != path:
            changes.append((name, known.value, path))
        if known.value != path or len(known.priorities) > 1:
            commands.append(["--set", name, path])
            if known.value == path:
                changes.append(("choice", "auto", "manual"))
    if state == "auto" and known.manual:
        changes.append(("choice", "manual", "auto"))
        commands.append(["--auto", name])
    return _done(call, changes, commands)


def _done(call: Call, changes: list[tuple[str, object, object]], commands: list[list[str]]) -> dict[str, Any]:
    if not call.check:
        for command in commands:
            call.run(["update-alternatives", *command])
    diff = diffs.values(changes, "alternative " + call["name"]) if call.diff else ""
    return {"changed": bool(changes), "name": call["name"], "diff": diff}
