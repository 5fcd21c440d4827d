"""blockinfile: a block of lines between two marker lines is in a file, or is not.

Parameters:
    path: the file.
    block: the lines; an empty block means that none must be there.
    marker: the marker line; {mark} becomes marker_begin or marker_end.
    marker_begin: what {mark} is in the line above the block.
    marker_end: what {mark} is in the line below the block.
    insertafter: a regular expression or EOF: where a new block goes, after the last match.
    insertbefore: a regular expression or BOF: where a new block goes, before the last match.
    append_newline: an empty line follows the block.
    prepend_newline: an empty line comes before the block.
    state: whether the block must be there.
    create: make the file if it is not there.
    backup: keep the file as it was beside it.
    validate: a command line with %s (the new file) that must succeed.
    mode: the file's permissions.
    owner: the file's owner.
    group: the file's group.

Returns:
    msg: what was done.
    backup_file: the path of the backup, where one was made.
"""

from __future__ import annotations

import re
from typing import Any

from kprov.provision.agent import edits
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "path": Parameter("path", required=True, aliases=("dest", "destfile", "name")),
    "block": Parameter("str", default="", aliases=("content",)),
    "marker": Parameter("str", default="# {mark} ANSIBLE MANAGED BLOCK"),
    "marker_begin": Parameter("str", default="BEGIN"),
    "marker_end": Parameter("str", default="END"),
    "insertafter": Parameter("str"),
    "insertbefore": Parameter("str"),
    "append_newline": Parameter("bool", default=False),
    "prepend_newline": Parameter("bool", default=False),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "create": Parameter("bool", default=False),
    **edits.EDIT_PARAMETERS,
}
MUTUALLY_EXCLUSIVE = [("insertbefore", "insertafter")]


def edited(call: Call, text: str) -> str:
    """The text with the block in it, or without."""
    begin = call["marker"].replace("{mark}", call["marker_begin"])
    end = call["marker"].replace("{mark}", call["marker_end"])
    if begin == end:
        raise ModuleFailed("'marker' must contain {mark}, or begin and end cannot be told apart")
    if "\n" in begin or "\n" in end:
        raise ModuleFailed("'marker' must be one line")
    lines = edits.lines_of(text)
    bare = [line.rstrip("\r\n") for line in lines]
    block = call["block"].rstrip("\n") if call["state"] == "present" else ""
    if any(line in (begin, end) for line in block.split("\n")):
        raise ModuleFailed("the block contains its own marker line")
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    new = [line + ending for line in [begin, *block.split("\n"), end]] if block else []
    first, last = _found(bare, begin), _found(bare, end)
    if first is not None and last is not None:
        position = min(first, last)
        unended = not lines[max(first, last)].endswith("\n")
        del lines[position : max(first, last) + 1]
        if new and unended:  # the block was a file's last, without a newline: it stays so
            new[-1] = new[-1].rstrip("\r\n")
    elif new:
        position = _position(call, lines, text)
    else:
        return text
    if new and position and not lines[position - 1].endswith("\n"):
        lines[position - 1] += ending
    if new and call["prepend_newline"] and position and lines[position - 1] != ending:
        new.insert(0, ending)
    if new and call["append_newline"] and position < len(lines) and lines[position] != ending:
        new.append(ending)
    lines[position:position] = new
    return "".join(lines)


def _found(lines: list[str], marker: str) -> int | None:
    found = [index for index, line in enumerate(lines) if line == marker]
    return found[-1] if found else None


def _position(call: Call, lines: list[str], text: str) -> int:
    before = call["insertbefore"]
    anchor, name, offset = (call["insertafter"], "insertafter", 1) if before is None else (before, "insertbefore", 0)
    if anchor == "BOF":
        return 0
    if anchor is None or anchor == "EOF":
        return len(lines)
    pattern = edits.pattern(anchor, name)
    if pattern.flags & re.MULTILINE:  # (?m): it may match over several lines
        match = pattern.search(text)
        if match is None:
            return len(lines)
        return text.count("\n", 0, match.end() if offset else match.start()) + (
            1 if offset and not match.group().endswith("\n") else 0
        )
    found = [index for index, line in enumerate(lines) if pattern.search(line.rstrip("\r\n"))]
    return found[-1] + offset if found else len(lines)


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    before = edits.read_text(call["path"])
    if before is None:
        if call["state"] == "absent" or not call["block"]:
            return {"changed": False, "path": call["path"], "msg": "File %s not present" % call["path"]}
        if not call["create"] and not call.check:
            raise ModuleFailed("%s does not exist; create: true makes it" % call["path"])
    after = edited(call, before or "")
    result = edits.write_back(call, call["path"], before, after)
    if after != (before or ""):
        there = call["state"] == "present" and call["block"]
        result["msg"] = "File created" if before is None else "Block inserted" if there else "Block removed"
    else:
        result["msg"] = "ownership, perms or SE linux context changed" if result["changed"] else ""
    return result
