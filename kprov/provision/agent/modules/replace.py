"""replace: every match of a regular expression in a file becomes another text.

Whether a second run changes anything is up to the expression: it must not match what it makes.

Parameters:
    path: the file.
    regexp: what is replaced; ^ and $ match at every line.
    replace: what comes in its place, with \\1 or \\g<name> for groups; nothing: what matches goes.
    after: only what comes after the first match of this is looked at.
    before: only what comes before the first match of this is looked at.
    encoding: the file's.
    backup: keep the file as it was beside it.
    validate: a command line with %s (the new file) that must succeed.
    mode: the file's permissions.
    owner: the file's owner.
    group: the file's group.

Returns:
    msg: how many replacements were made.
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
    "regexp": Parameter("str", required=True),
    "replace": Parameter("str", default=""),
    "after": Parameter("str"),
    "before": Parameter("str"),
    "encoding": Parameter("str", default="utf-8", choices=("utf-8",)),
    **edits.EDIT_PARAMETERS,
}


def _section(call: Call, text: str) -> tuple[int, int] | None:
    """The part of the text that is looked at."""
    after, before = call["after"], call["before"]
    if not after and not before:
        return 0, len(text)
    lazy = "?" if after and before else ""
    whole = "%s(?P<subsection>.*%s)%s" % (after or "", lazy, before or "")
    match = edits.pattern(whole, "after" if after else "before", re.DOTALL).search(text)
    return match.span("subsection") if match is not None else None


def edited(call: Call, text: str) -> tuple[str, str]:
    """The text with what matched replaced, and what was done."""
    pattern = edits.pattern(call["regexp"], "regexp", re.MULTILINE)
    section = _section(call, text)
    if section is None:
        return text, "Pattern for before/after params did not match the given file"
    start, end = section
    try:
        new, count = pattern.subn(call["replace"], text[start:end])
    except (re.error, IndexError) as error:
        raise ModuleFailed("'replace' cannot be read: %s" % error) from None
    if new == text[start:end]:
        return text, ""
    return text[:start] + new + text[end:], "%d replacements made" % count


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    before = edits.read_text(call["path"])
    if before is None:
        if call.check:
            return {"changed": True, "path": call["path"], "msg": "%s is not there yet" % call["path"]}
        raise ModuleFailed("%s does not exist" % call["path"])
    after, done = edited(call, before)
    result = edits.write_back(call, call["path"], before, after)
    result["msg"] = done or ("ownership, perms or SE linux context changed" if result["changed"] else "")
    return result
