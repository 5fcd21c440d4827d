"""pamd: a rule of PAM is changed, added beside another, or taken out.

Parameters:
    name: the service: a file of `path`.
    type: the rule's type.
    control: the rule's control, a word or [value=action ...].
    module_path: the rule's module.
    new_type: of the rule as it is to be, or of the one that is added.
    new_control: of the rule as it is to be, or of the one that is added.
    new_module_path: of the rule as it is to be, or of the one that is added.
    module_arguments: the module's arguments; one empty text: none.
    state: what becomes of the rule; before and after say where another one is added.
    path: the folder of the services.
    backup: keep the file as it was beside it.

Returns:
    dest: the file.
    change_count: how many rules were changed, added or taken out.
    action: what was asked for.
    backupdest: the path of the backup, where one was made.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.provision.agent import edits
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

_TYPES = (
    "account", "-account", "auth", "-auth", "password", "-password", "session", "-session",
)  # fmt: skip

PARAMETERS = {
    "name": Parameter("str", required=True),
    "type": Parameter("str", required=True, choices=_TYPES),
    "control": Parameter("str", required=True),
    "module_path": Parameter("str", required=True),
    "new_type": Parameter("str", choices=_TYPES),
    "new_control": Parameter("str"),
    "new_module_path": Parameter("str"),
    "module_arguments": Parameter("list", elements="str"),
    "state": Parameter(
        "str", default="updated", choices=("absent", "after", "args_absent", "args_present", "before", "updated")
    ),
    "path": Parameter("path", default="/etc/pam.d"),
    "backup": Parameter("bool", default=False),
}
_NEW = ("new_type", "new_control", "new_module_path")
REQUIRED_IF = [
    ("state", "args_present", ("module_arguments",)),
    ("state", "args_absent", ("module_arguments",)),
    ("state", "before", _NEW),
    ("state", "after", _NEW),
]

_RULE = re.compile(r"^(-?(?:account|auth|password|session))\s+(\[[^\]]*\]|\S+)\s+(\S+)(?:\s+(.*?))?\s*$")
# An argument in brackets holds spaces.
_ARGUMENT = re.compile(r"\[[^\]]*\]|\S+")


class _Rule:
    """One line that is a rule."""

    def __init__(self, kind: str, control: str, module: str, arguments: list[str]) -> None:
        self.kind = kind
        self.control = control
        self.module = module
        self.arguments = arguments

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others."""
        return self.kind, _plain(self.control), self.module

    @property
    def line(self) -> str:
        """It, as it is written."""
        return "\t".join([self.kind, self.control, " ".join([self.module, *self.arguments])]) + "\n"


def _plain(control: str) -> str:
    """A control without what spaces may differ by."""
    if not control.startswith("["):
        return control.lower()
    return "[%s]" % " ".join(re.sub(r"\s*=\s*", "=", control.strip("[] ")).split())


def _read(line: str) -> _Rule | None:
    found = None if line.startswith(("#", "@")) else _RULE.match(line.rstrip("\r\n"))
    return _Rule(found[1], found[2], found[3], _ARGUMENT.findall(found[4] or "")) if found else None


def _with(rule: _Rule, given: list[str]) -> list[str]:
    """Arguments with those that are to be there; one of the same name gets the new value."""
    arguments = list(rule.arguments)
    for argument in given:
        name, separator, _ = argument.partition("=")
        same = [index for index, each in enumerate(arguments) if separator and each.partition("=")[:2] == (name, "=")]
        if same:
            arguments[same[0]] = argument
        elif argument not in arguments:
            arguments.append(argument)
    return arguments


def _changed(call: Call, rule: _Rule, given: list[str] | None) -> _Rule:
    """The rule as it is to be."""
    state = call["state"]
    if state == "args_present":
        return _Rule(rule.kind, rule.control, rule.module, _with(rule, given or []))
    if state == "args_absent":
        rest = [each for each in rule.arguments if each not in (given or [])]
        return _Rule(rule.kind, rule.control, rule.module, rest)
    return _Rule(
        call["new_type"] or rule.kind,
        call["new_control"] or rule.control,
        call["new_module_path"] or rule.module,
        rule.arguments if given is None else given,
    )


def _differ(one: _Rule, other: _Rule) -> bool:
    return one.key != other.key or one.arguments != other.arguments


def _neighbour(entries: list[tuple[str, _Rule | None]], index: int, step: int) -> _Rule | None:
    """The next rule in a direction."""
    index += step
    while 0 <= index < len(entries):
        if entries[index][1] is not None:
            return entries[index][1]
        index += step
    return None


def edited(call: Call, text: str) -> tuple[str, int]:
    """The file's text as it is to be, and how many rules differ."""
    key = (call["type"], _plain(call["control"]), call["module_path"])
    given = call["module_arguments"]
    given = None if given is None else [word for each in given for word in _ARGUMENT.findall(each)]
    state, count = call["state"], 0
    entries = [(line, _read(line)) for line in edits.lines_of(text)]
    lines: list[str] = []
    for index, (line, rule) in enumerate(entries):
        if rule is None or rule.key != key:
            lines.append(line)
            continue
        if state == "absent":
            count += 1
            continue
        if state in ("before", "after"):
            new = _Rule(call["new_type"], call["new_control"], call["new_module_path"], given or [])
            beside = _neighbour(entries, index, -1 if state == "before" else 1)
            missing = beside is None or beside.key != new.key
            count += missing
            whole = line if line.endswith("\n") else line + "\n"
            added = [new.line] if missing else []
            lines += [*added, line] if state == "before" else [whole if missing else line, *added]
            continue
        new = _changed(call, rule, given)
        if _differ(rule, new):
            count += 1
            line = new.line
        lines.append(line)
    return "".join(lines), count


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    path = os.path.join(call["path"], call["name"])
    if call["path"] == PARAMETERS["path"].default:
        path = call.system_path(path)
    before = edits.read_text(path)
    if before is None:
        raise ModuleFailed("there is no file %s" % path)
    after, count = edited(call, before)
    result = edits.write_back(call, path, before, after)
    result.update(dest=result.pop("path"), change_count=count, action=call["state"])
    if "backup_file" in result:
        result["backupdest"] = result.pop("backup_file")
    return result
