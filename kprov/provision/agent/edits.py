"""Files that are changed in part: read, compared, written back whole."""

from __future__ import annotations

import os
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.modules.copy import validator


def read_text(path: str) -> str | None:
    """A file's text (bytes that are no UTF-8 survive), None where there is no file."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def write_back(call: Call, path: str, before: str | None, after: str) -> dict[str, Any]:
    """Bring a file from one text to another, with the attributes that the task asks for."""
    real = os.path.realpath(path)
    result: dict[str, Any] = {"changed": before != after, "path": path}
    wanted = Wanted(call.arguments, call.check)
    changes = wanted.changes(real) if os.path.exists(real) else []
    old = None if before is None else before.encode(errors="surrogateescape")
    new = after.encode(errors="surrogateescape")
    if call.diff:
        result["diff"] = (diffs.unified(old, new, path) if before != after else "") + diffs.values(changes, path)
    if before != after:
        if not call.check:
            if call.get("create") and not os.path.isdir(os.path.dirname(real)):
                raise ModuleFailed("folder %s does not exist: make it first" % os.path.dirname(real))
            atomic.write(real, new, wanted, validate=validator(call))
    elif changes:
        result["changed"] = True
        if not call.check:
            wanted.apply(real)
    return result
