"""artifacts: large files in a folder where each is named by its content (kprov's own).

They are streamed, verified, and whole or not there.

Parameters:
    files: a list of {path (the controller's), sha256, size}.
    directory: where they are kept.

Returns:
    paths: a mapping from sha256 to the path on the machine.
    sent: how many travelled.
"""

from __future__ import annotations

import os
from typing import Any, BinaryIO

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

CACHE = "/var/cache/kprov/artifacts"

PARAMETERS = {
    "files": Parameter("list", required=True),
    "directory": Parameter("path", default=CACHE),
}


def cached_path(directory: str, entry: dict[str, Any]) -> str:
    """Where a file is kept."""
    return os.path.join(directory, entry["sha256"])


def is_cached(directory: str, entry: dict[str, Any]) -> bool:
    """Whether it is there. It was verified before it got its name, so its presence and size are enough."""
    try:
        return os.path.getsize(cached_path(directory, entry)) == int(entry["size"])
    except OSError:
        return False


def fetch(call: Call, directory: str, entry: dict[str, Any]) -> str:
    """Have a file in the cache."""
    path = cached_path(directory, entry)
    if is_cached(directory, entry):
        return path
    os.makedirs(directory, mode=0o755, exist_ok=True)

    def fill(stream: BinaryIO) -> None:
        call.contents.into(entry["sha256"], int(entry["size"]), stream)

    atomic.replace(path, fill, Wanted({"mode": "0644"}))
    return path


def run(call: Call) -> dict[str, Any]:
    """Compare by hash, then fetch what is missing."""
    directory = call["directory"]
    missing = [entry for entry in call["files"] if not is_cached(directory, entry)]
    if not call.check:
        for entry in missing:
            fetch(call, directory, entry)
    return {
        "changed": bool(missing),
        "paths": {entry["sha256"]: cached_path(directory, entry) for entry in call["files"]},
        "sent": len(missing),
        "diff": diffs.values([(str(e.get("path") or e["sha256"]), None, e["sha256"][:16]) for e in missing], directory)
        if call.diff
        else "",
    }
