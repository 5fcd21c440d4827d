"""find: paths below folders. Parameters: paths, patterns (shell's), file_type (file, directory, link, any).

Recurse, hidden. Returns files.
"""

from __future__ import annotations

import fnmatch
import os
from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.modules.file import kind_of
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "paths": Parameter("list", required=True, aliases=("path", "name")),
    "patterns": Parameter("list", default=["*"], aliases=("pattern",)),
    "file_type": Parameter("str", default="file", choices=("file", "directory", "link", "any")),
    "recurse": Parameter("bool", default=False),
    "hidden": Parameter("bool", default=False),
}


def run(call: Call) -> dict[str, Any]:
    """Look."""
    found: list[dict[str, Any]] = []
    for path in call["paths"]:
        for folder, folders, files in os.walk(path):
            for name in sorted(folders + files):
                if name.startswith(".") and not call["hidden"]:
                    continue
                whole = os.path.join(folder, name)
                kind = kind_of(whole)
                if call["file_type"] not in ("any", kind) or not any(
                    fnmatch.fnmatch(name, p) for p in call["patterns"]
                ):
                    continue
                status = os.lstat(whole)
                found.append(
                    {
                        "path": whole,
                        "mode": "%04o" % (status.st_mode & 0o7777),
                        "size": status.st_size,
                        "mtime": status.st_mtime,
                    }
                )
            if not call["recurse"]:
                folders.clear()
    return {"changed": False, "files": found, "matched": len(found)}
