"""Files that are changed in part: read, compared, written back whole."""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.provision.agent import atomic, backups, diffs
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter
from kprov.provision.agent.validation import validator

# Shared by every module that edits a text.
EDIT_PARAMETERS = {
    "backup": Parameter("bool", default=False),
    "validate": Parameter("str"),
    **ATTRIBUTE_PARAMETERS,
}

# An editor holds the whole text in memory: nobody edits lines of a file this large but by mistake.
LARGEST = 256 * 1024 * 1024


def read_text(path: str) -> str | None:
    """A file's text (bytes that are no UTF-8 survive), None where there is no file.

    Raises:
        ModuleFailed: it is no file that can be edited.
    """
    try:
        if os.path.isdir(path):
            raise ModuleFailed("%s is a folder, not a file" % path)
        if os.path.getsize(path) > LARGEST:
            raise ModuleFailed("%s is larger than %d MB: too large to be edited" % (path, LARGEST >> 20))
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ModuleFailed("%s cannot be read: %s" % (path, error.strerror)) from None


def lines_of(text: str) -> list[str]:
    """A text's lines, each with its end; only a newline ends a line."""
    return diffs.lines_of(text)


def pattern(text: str, name: str, flags: int = 0) -> re.Pattern[str]:
    """A regular expression of a task.

    Raises:
        ModuleFailed: it is none.
    """
    try:
        return re.compile(text, flags)
    except re.error as error:
        raise ModuleFailed("'%s' is no regular expression: %s (in %r)" % (name, error, text)) from None


def write_back(call: Call, path: str, before: str | None, after: str) -> dict[str, Any]:
    """Bring a file from one text to another, with the attributes that the task asks for.

    A symbolic link is followed: what it points to is changed.

    Returns:
        changed, path, diff; backup_file where one was made.
    """
    real = os.path.realpath(path) if os.path.islink(path) else os.path.join(os.getcwd(), path)
    result: dict[str, Any] = {"changed": before != after, "path": path}
    wanted = Wanted(call.arguments, call.check)
    changes = wanted.changes(real) if os.path.exists(real) else []
    if before == after and not changes:
        return {**result, "diff": ""} if call.diff else result
    old = None if before is None else before.encode(errors="surrogateescape")
    new = after.encode(errors="surrogateescape")
    if call.diff:
        result["diff"] = (diffs.unified(old, new, path) if before != after else "") + diffs.values(changes, path)
    if before != after:
        if not call.check:
            if call.get("backup") and before is not None:
                result["backup_file"] = backups.keep(path)
            folder = os.path.dirname(real)
            if call.get("create") and not os.path.lexists(folder):  # as Ansible does; other editors need the file
                try:
                    os.makedirs(folder)
                except OSError as error:
                    raise atomic.explained(error, folder) from None
            atomic.write(real, new, wanted, validate=validator(call))
    elif changes:
        result["changed"] = True
        if not call.check:
            wanted.apply(real)
    return result
