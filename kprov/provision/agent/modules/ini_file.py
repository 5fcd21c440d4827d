"""ini_file: an option of a section is set in an INI file, or is not there.

Comments, order and everything else stay as they are.

Parameters:
    path: the file.
    section: the section; none or empty: the options before the first one.
    option: the option; without one the section as a whole is meant.
    value: its value.
    values: several values of an option that may come more than once.
    section_has_values: only a section that has these options and values (a list of {option, value or values}) is meant.
    exclusive: with several values: others of the same option go.
    state: whether the option or section must be there.
    allow_no_value: an option may be without `=` and value.
    modify_inactive_option: a commented-out option is brought to life where it stands.
    no_extra_spaces: no spaces around `=`.
    ignore_spaces: a line that differs only in spaces around `=` is left as it is.
    follow: change what a symbolic link points to, not the link itself.
    create: make the file if it is not there.
    backup: keep the file as it was beside it.
    mode: the file's permissions.
    owner: the file's owner.
    group: the file's group.

Returns:
    msg: what was done.
    backup_file: the path of the backup, where one was made.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.provision.agent import edits
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "path": Parameter("path", required=True, aliases=("dest",)),
    "section": Parameter("str"),
    "option": Parameter("str"),
    "value": Parameter("str"),
    "values": Parameter("list", elements="str"),
    "section_has_values": Parameter("list", elements="dict"),
    "exclusive": Parameter("bool", default=True),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "allow_no_value": Parameter("bool", default=False),
    "modify_inactive_option": Parameter("bool", default=True),
    "no_extra_spaces": Parameter("bool", default=False),
    "ignore_spaces": Parameter("bool", default=False),
    "follow": Parameter("bool", default=False),
    "create": Parameter("bool", default=True),
    "backup": Parameter("bool", default=False),
    **ATTRIBUTE_PARAMETERS,
}
MUTUALLY_EXCLUSIVE = [("value", "values")]

_HEAD = re.compile(r"^\s*\[(.*)\]\s*([#;].*)?$")


def _option(name: str, inactive: bool) -> re.Pattern[str]:
    """A line that sets an option: group 1 is what makes it a comment, group 2 what is around `=`, group 3 the value."""
    return re.compile(r"^\s*(%s)%s(?:(\s*=\s*)(.*))?$" % (r"[#;]\s*|" if inactive else "", re.escape(name)))


class _Part:
    """One section's lines, its head among them."""

    def __init__(self, name: str, start: int) -> None:
        self.name, self.start, self.end = name, start, start


def _parts(lines: list[str]) -> list[_Part]:
    parts = [_Part("", 0)]
    for index, line in enumerate(lines):
        match = _HEAD.match(line.rstrip("\r\n"))
        if match is not None:
            parts.append(_Part(match.group(1), index))
        parts[-1].end = index + 1
    return parts


def _has(lines: list[str], part: _Part, wanted: list[dict[str, Any]]) -> bool:
    """Whether a section has certain options."""
    for entry in wanted:
        pattern = _option(str(entry["option"]), False)
        found = [m.group(3) for line in lines[part.start : part.end] if (m := pattern.match(line.rstrip("\r\n")))]
        values = entry.get("values") if entry.get("values") is not None else [entry.get("value")]
        if not found or any(value is not None and str(value) not in found for value in values or []):
            return False
    return True


def _line(call: Call, option: str, value: str | None) -> str:
    if value is None:
        return option
    return option + ("=" if call["no_extra_spaces"] else " = ") + value


def _body_end(lines: list[str], part: _Part) -> int:
    """Where a section's content ends: before the empty lines and comments that belong to the next head."""
    end = part.end
    while end > part.start + (1 if part.name else 0) and re.match(r"^\s*([#;].*)?$", lines[end - 1].rstrip("\r\n")):
        end -= 1
    return end


def _set(call: Call, lines: list[str], part: _Part, values: list[str | None]) -> str:
    """Have the option in the section with exactly these values, or at least them. Says what was done."""
    option, done = call["option"], ""
    active, either = _option(option, False), _option(option, call["modify_inactive_option"])
    missing = list(values)
    body = range(part.start, part.end)
    here = [(index, active.match(lines[index].rstrip("\r\n"))) for index in body]
    left: list[int] = []
    for index, match in here:
        if match is None:
            continue
        value = match.group(3)
        if value in missing:
            missing.remove(value)
            wanted = _line(call, option, value)
            if not call["ignore_spaces"] and lines[index].rstrip("\r\n") != wanted and value is not None:
                lines[index] = wanted + _end_of(lines[index])
                done = "option changed"
        else:
            left.append(index)
    if not call["exclusive"]:
        left = []
    bare = {index: lines[index].rstrip("\r\n") for index in body}
    comments = [index for index in body if either.match(bare[index]) and not active.match(bare[index])]
    places = left + comments
    while missing and places:
        index, value = places.pop(0), missing.pop(0)
        lines[index] = _line(call, option, value) + _end_of(lines[index])
        done = "option changed"
        if index in left:
            left.remove(index)
    for index in reversed(left):
        del lines[index]
        part.end -= 1
        done = "option changed"
    if missing:
        position = _body_end(lines, part)
        if position and not lines[position - 1].endswith("\n"):
            lines[position - 1] += "\n"
        lines[position:position] = [_line(call, option, value) + "\n" for value in missing]
        done = "option added"
    return done


def _end_of(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :] or "\n"


def _remove(call: Call, lines: list[str], part: _Part, values: list[str | None]) -> str:
    """Take the option out of the section: all of it, or only these values. Says what was done."""
    if call["option"] is None:
        del lines[part.start : part.end]
        return "section removed"
    pattern, gone = _option(call["option"], False), []
    for index in range(part.start, part.end):
        match = pattern.match(lines[index].rstrip("\r\n"))
        if match and (call["exclusive"] or not values or match.group(3) in values):
            gone.append(index)
    for index in reversed(gone):
        del lines[index]
    return "option changed" if gone else ""


def edited(call: Call, text: str) -> tuple[str, str]:
    """The text with the option as it should be, and what was done."""
    lines = edits.lines_of(text)
    section = call["section"] or ""
    values: list[str | None] = list(call["values"] or ([call["value"]] if call["value"] is not None else []))
    parts = [part for part in _parts(lines) if part.name == section and (section or part.start == 0)]
    if call["section_has_values"]:
        parts = [part for part in parts if _has(lines, part, call["section_has_values"])]
    if call["state"] == "absent":
        return (text, "") if not parts else _joined(lines, _remove(call, lines, parts[0], values), text)
    if call["option"] is not None and not values:
        if not call["allow_no_value"]:
            raise ModuleFailed("option '%s' needs a 'value'; allow_no_value: true sets it without one" % call["option"])
        values = [None]
    if parts and call["option"] is None:
        return text, ""
    if parts:
        return _joined(lines, _set(call, lines, parts[0], values), text)
    new = ["[%s]" % section]
    for entry in call["section_has_values"] or []:
        chosen = entry.get("values") if entry.get("values") is not None else [entry.get("value")]
        new += [_line(call, str(entry["option"]), None if each is None else str(each)) for each in chosen or []]
    if call["option"] is not None:
        new += [_line(call, call["option"], value) for value in values]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    lines += [line + "\n" for line in new]
    return "".join(lines), "section and option added" if call["option"] is not None else "section added"


def _joined(lines: list[str], done: str, text: str) -> tuple[str, str]:
    return ("".join(lines), done) if done else (text, "")


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    path = os.path.realpath(call["path"]) if call["follow"] else call["path"]
    before = edits.read_text(path)
    if before is None and call["state"] == "present" and not call["create"] and not call.check:
        raise ModuleFailed("%s does not exist; create: true makes it" % path)
    if before is None and call["state"] == "absent":
        return {"changed": False, "path": path, "msg": "OK"}
    after, done = edited(call, before or "")
    result = edits.write_back(call, path, before, after)
    result["msg"] = done or "OK"
    return result
