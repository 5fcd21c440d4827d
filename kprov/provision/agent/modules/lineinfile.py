"""lineinfile: a line is in a file, or is not.

Lines keep the ends that they have; a symbolic link is followed.

Parameters:
    path: the file.
    line: the line; with state=absent every line that is exactly this goes.
    regexp: replaces the last line that matches; with state=absent removes all that match.
    search_string: like regexp, a plain text that is part of the line.
    backrefs: `line` may refer to the match's groups, and nothing is added without a match.
    insertafter: a regular expression or EOF: where a new line goes, after the last match.
    insertbefore: a regular expression or BOF: where a new line goes, before the last match.
    firstmatch: the first match counts, not the last.
    state: whether the line must be there.
    create: make the file if it is not there.
    backup: keep the file as it was beside it.
    validate: a command line with %s (the new file) that must succeed.
    mode: the file's permissions.
    owner: the file's owner.
    group: the file's group.

Returns:
    msg: what was done.
    found: how many lines were removed.
    backup: the path of the backup, or nothing.
"""

from __future__ import annotations

from typing import Any, Callable

from kprov.provision.agent import edits
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "path": Parameter("path", required=True, aliases=("dest", "destfile", "name")),
    "line": Parameter("str", aliases=("value",)),
    "regexp": Parameter("str", aliases=("regex",)),
    "search_string": Parameter("str"),
    "backrefs": Parameter("bool", default=False),
    "insertafter": Parameter("str"),
    "insertbefore": Parameter("str"),
    "firstmatch": Parameter("bool", default=False),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "create": Parameter("bool", default=False),
    **edits.EDIT_PARAMETERS,
}
MUTUALLY_EXCLUSIVE = [("insertbefore", "insertafter"), ("regexp", "search_string"), ("backrefs", "search_string")]
REQUIRED_IF = [("state", "present", ("line",)), ("backrefs", True, ("regexp",))]


def _bare(line: str) -> str:
    return line.rstrip("\r\n")


def _ending(lines: list[str], near: int) -> str:
    """The end that a new line gets: as its neighbour has it."""
    for index in (near - 1, near):
        if 0 <= index < len(lines) and lines[index].endswith("\n"):
            return "\r\n" if lines[index].endswith("\r\n") else "\n"
    return "\n"


def _position(call: Call, lines: list[str]) -> int:
    """Where a new line goes."""
    before, after = call["insertbefore"], call["insertafter"]
    anchor, offset = (before, 0) if before is not None else (after, 1)
    if anchor == "BOF":
        return 0
    if anchor is None or anchor == "EOF":
        return len(lines)
    wanted = edits.pattern(anchor, "insertbefore" if before is not None else "insertafter")
    found = [index for index, text in enumerate(lines) if wanted.search(_bare(text))]
    if not found:
        return len(lines)
    return (found[0] if call["firstmatch"] else found[-1]) + offset


def edited(call: Call, text: str) -> tuple[str, str]:
    """The text with the line in it, or without, and what was done to it."""
    lines = edits.lines_of(text)
    pattern = edits.pattern(call["regexp"], "regexp") if call["regexp"] is not None else None
    part, whole = call["search_string"], call["line"]
    matches: Callable[[str], Any]
    if pattern is not None:
        matches = pattern.search
    elif part is not None:
        matches = lambda bare: part in bare  # noqa: E731 - one of three
    else:
        matches = lambda bare: bare == whole  # noqa: E731
    if call["state"] == "absent":
        kept = [line for line in lines if not matches(_bare(line))]
        removed = len(lines) - len(kept)
        return "".join(kept), "%d line(s) removed" % removed if removed else ""
    found = [index for index, line in enumerate(lines) if matches(_bare(line))]
    new = call["line"].rstrip("\n")
    if found:
        index = found[0] if call["firstmatch"] else found[-1]
        if call["backrefs"] and pattern is not None:
            match = pattern.search(_bare(lines[index]))
            if match is not None:
                new = match.expand(new)
        if _bare(lines[index]) == new:
            return text, ""
        lines[index] = new + lines[index][len(_bare(lines[index])) :]
        return "".join(lines), "line replaced"
    if call["backrefs"] or any(_bare(line) == new for line in lines):
        return text, ""
    position = _position(call, lines)
    ending = _ending(lines, position)
    if position == len(lines) and lines and not lines[-1].endswith("\n"):
        lines[-1] += ending
    lines.insert(position, new + ending)
    return "".join(lines), "line added"


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    if call["state"] == "absent" and not any(call[name] is not None for name in ("line", "regexp", "search_string")):
        raise ModuleFailed("state=absent needs 'line', 'regexp' or 'search_string'")
    before = edits.read_text(call["path"])
    if before is None:
        if call["state"] == "absent":
            return {"changed": False, "msg": "file not present", "found": 0, "backup": ""}
        if not call["create"] and not call.check:
            raise ModuleFailed("%s does not exist; create: true makes it" % call["path"])
    after, done = edited(call, before or "")
    result = edits.write_back(call, call["path"], before, after)
    attributes = result["changed"] and not done
    result["msg"] = done or ("ownership, perms or SE linux context changed" if attributes else "")
    result["backup"] = result.get("backup_file", "")
    if call["state"] == "absent":
        result["found"] = int(done.partition(" ")[0]) if done else 0
    return result
