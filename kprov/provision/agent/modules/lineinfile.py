"""lineinfile: a line is in a file, or is not.

Parameters:
    path: the file. line: the line. regexp: replaces the last line that matches (with state=absent: removes all
        that match).
    search_string: like regexp, a plain text. backrefs: `line` may refer to the match's groups, and nothing is
        added without a match.
    insertafter, insertbefore: a regexp, EOF or BOF: where a new line goes. state: present or absent.
    create: make the file. validate, mode, owner, group: as in copy.
"""

from __future__ import annotations

import re
from typing import Any

from kprov.provision.agent import edits
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "path": Parameter("path", required=True, aliases=("dest", "name")),
    "line": Parameter("str", aliases=("value",)),
    "regexp": Parameter("str", aliases=("regex",)),
    "search_string": Parameter("str"),
    "backrefs": Parameter("bool", default=False),
    "insertafter": Parameter("str"),
    "insertbefore": Parameter("str"),
    "firstmatch": Parameter("bool", default=False),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "create": Parameter("bool", default=False),
    "validate": Parameter("str"),
    **ATTRIBUTE_PARAMETERS,
}


def _position(call: Call, lines: list[str]) -> int:
    """Where a new line goes."""
    before, after = call["insertbefore"], call["insertafter"]
    anchor, offset = (before, 0) if before is not None else (after, 1)
    if anchor == "BOF":
        return 0
    if anchor is None or anchor == "EOF":
        return len(lines)
    found = [index for index, text in enumerate(lines) if re.search(anchor, text.rstrip("\r\n"))]
    if not found:
        return len(lines)
    return (found[0] if call["firstmatch"] else found[-1]) + offset


def edited(call: Call, text: str) -> str:
    """The text with the line in it, or without."""
    lines = re.split(r"(?<=\n)", text)
    if lines and lines[-1] == "":
        lines.pop()
    pattern = re.compile(call["regexp"]) if call["regexp"] is not None else None

    def matches(candidate: str) -> Any:
        bare = candidate.rstrip("\r\n")
        if pattern is not None:
            return pattern.search(bare)
        if call["search_string"] is not None:
            return call["search_string"] in bare
        return bare == call["line"]

    if call["state"] == "absent":
        return "".join(line for line in lines if not matches(line))
    found = [index for index, line in enumerate(lines) if matches(line)]
    new = call["line"]
    if found:
        index = found[0] if call["firstmatch"] else found[-1]
        if call["backrefs"] and pattern is not None:
            match = pattern.search(lines[index].rstrip("\r\n"))
            if match is not None:
                new = match.expand(new)
        ending = lines[index][len(lines[index].rstrip("\r\n")) :]
        lines[index] = new + ending
        return "".join(lines)
    if call["backrefs"] or any(line.rstrip("\r\n") == new for line in lines):
        return text
    position = _position(call, lines)
    if position == len(lines) and lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    lines.insert(position, new + "\n")
    return "".join(lines)


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    if call["state"] == "present" and call["line"] is None:
        raise ModuleFailed("state=present needs 'line'")
    if call["state"] == "absent" and call["line"] is None and call["regexp"] is None and call["search_string"] is None:
        raise ModuleFailed("state=absent needs 'line', 'regexp' or 'search_string'")
    before = edits.read_text(call["path"])
    if before is None:
        if call["state"] == "absent":
            return {"changed": False, "path": call["path"], "msg": "there is no such file"}
        if not call["create"] and not call.check:
            raise ModuleFailed("%s does not exist; create: true makes it" % call["path"])
    return edits.write_back(call, call["path"], before, edited(call, before or ""))
