"""blockinfile: a block of lines between two marker lines is in a file, or is not.

Parameters:
    path: the file. block: the lines; an empty block means absent. marker: the marker line, {mark} becomes
        marker_begin or marker_end.
    insertafter, insertbefore: a regexp, EOF or BOF: where a new block goes. state, create, validate, mode, owner,
        group: as in lineinfile.
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
    "block": Parameter("str", default="", aliases=("content",)),
    "marker": Parameter("str", default="# {mark} KPROV MANAGED BLOCK"),
    "marker_begin": Parameter("str", default="BEGIN"),
    "marker_end": Parameter("str", default="END"),
    "insertafter": Parameter("str"),
    "insertbefore": Parameter("str"),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "create": Parameter("bool", default=False),
    "validate": Parameter("str"),
    **ATTRIBUTE_PARAMETERS,
}


def edited(call: Call, text: str) -> str:
    """The text with the block in it, or without."""
    begin = call["marker"].replace("{mark}", call["marker_begin"])
    end = call["marker"].replace("{mark}", call["marker_end"])
    if begin == end:
        raise ModuleFailed("'marker' must contain {mark}, or begin and end cannot be told apart")
    lines = text.split("\n")
    ended = lines[-1] == ""
    if ended:
        lines.pop()
    block = call["block"].rstrip("\n") if call["state"] == "present" else ""
    new = [begin, *block.split("\n"), end] if block else []
    if any(line in (begin, end) for line in block.split("\n")):
        raise ModuleFailed("the block contains its own marker line")
    start = stop = None
    for index, line in enumerate(lines):
        if line == begin:
            start = index
        elif line == end and start is not None:
            stop = index
            break
    if start is not None and stop is not None:
        lines[start : stop + 1] = new
    elif new:
        position = _position(call, lines)
        lines[position:position] = new
        ended = ended or position + len(new) == len(lines)
    else:
        return text
    return "\n".join(lines) + ("\n" if ended and lines else "")


def _position(call: Call, lines: list[str]) -> int:
    anchor, offset = (call["insertbefore"], 0) if call["insertbefore"] is not None else (call["insertafter"], 1)
    if anchor == "BOF":
        return 0
    if anchor is None or anchor == "EOF":
        return len(lines)
    found = [index for index, line in enumerate(lines) if re.search(anchor, line)]
    return found[-1] + offset if found else len(lines)


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    before = edits.read_text(call["path"])
    if before is None:
        if call["state"] == "absent" or not call["block"]:
            return {"changed": False, "path": call["path"], "msg": "there is no such file"}
        if not call["create"] and not call.check:
            raise ModuleFailed("%s does not exist; create: true makes it" % call["path"])
    return edits.write_back(call, call["path"], before, edited(call, before or ""))
