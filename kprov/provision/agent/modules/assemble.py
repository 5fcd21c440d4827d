"""assemble: a file is made of the files of a folder, one after another in the order of their names.

Parameters:
    src: the folder (of the machine).
    dest: the file.
    delimiter: what comes between two of them; \\n is a newline.
    regexp: only files whose names match.
    ignore_hidden: files whose names begin with a dot are left out.
    remote_src: must be true: the folder is on the machine.
    backup: keep the file as it was beside it.
    validate: a command line with %s (the new file) that must succeed.
    mode: the file's permissions.
    owner: the file's owner.
    group: the file's group.

Returns:
    dest: the file.
    checksum: the content's SHA-1.
    backup_file: the path of the backup, where one was made.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from kprov.provision.agent import edits
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "src": Parameter("path", required=True),
    "dest": Parameter("path", required=True),
    "delimiter": Parameter("str"),
    "regexp": Parameter("str"),
    "ignore_hidden": Parameter("bool", default=False),
    "remote_src": Parameter("bool", default=True, choices=(True,)),
    **edits.EDIT_PARAMETERS,
}


def assembled(call: Call) -> str:
    """The content, from its parts."""
    wanted = edits.pattern(call["regexp"], "regexp") if call["regexp"] else None
    delimiter = (call["delimiter"] or "").replace("\\n", "\n")
    text, first = "", True
    for name in sorted(os.listdir(call["src"])):
        path = os.path.join(call["src"], name)
        if not os.path.isfile(path) or (call["ignore_hidden"] and name.startswith(".")):
            continue
        if wanted is not None and not wanted.search(name):
            continue
        part = edits.read_text(path) or ""
        if not first:
            if text and not text.endswith("\n"):
                text += "\n"
            if delimiter:
                text += delimiter
                if not delimiter.endswith("\n"):
                    text += "\n"
        text, first = text + part, False
    return text


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    if not os.path.isdir(call["src"]):
        raise ModuleFailed("%s is not a folder" % call["src"])
    text = assembled(call)
    before = edits.read_text(call["dest"])
    result = edits.write_back(call, call["dest"], before, text)
    result["dest"] = result.pop("path")
    result["checksum"] = hashlib.sha1(text.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()
    result["msg"] = "OK"
    return result
