"""Brings a file to a content that is somewhere else: compared by its hash, written whole, with mode and owner first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, BinaryIO

from kprov.provision.agent import atomic, backups, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_digests
from kprov.provision.agent.modules.file import make_directories
from kprov.provision.agent.validation import validator

# Larger files are streamed to the disk and shown in diffs by their size only.
IN_MEMORY = 4 * 1024 * 1024


def _read(path: str) -> bytes | None:
    """A file's content for a diff, None where there is none."""
    try:
        if os.path.getsize(path) > IN_MEMORY:
            return None
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:  # it is not there, or not for this user to read: writing will tell
        return None


def _diff(destination: str, before: bytes | None, size: int, content: bytes | None) -> str:
    there = os.path.isfile(destination)
    if content is None or (there and before is None):
        name = destination if there else "/dev/null"
        return diffs.differ(name, os.path.getsize(destination) if there else 0, destination, size)
    return diffs.unified(before, content, destination)


def _digests(path: str, size: int) -> Sequence[str]:
    """A file's SHA-256 and SHA-1; of one that has another size nothing."""
    try:
        if os.path.getsize(path) == size:
            return file_digests(path, "sha256", "sha1")
    except OSError:  # it is gone, or not for this user to read: writing will tell
        pass
    return "", ""


def place(call: Call, destination: str, sha256: str, size: int, source: str | None) -> dict[str, Any]:
    """Make the file what it should be.

    Args:
        call: the task.
        destination: the file.
        sha256: the content's hash.
        size: its length.
        source: a file of this machine to take it from; None to have it sent.
    """
    wanted = Wanted(call.arguments, call.check)
    if call.get("follow"):
        destination = os.path.realpath(destination)
    result: dict[str, Any] = {"changed": False, "dest": destination, "size": size}
    exists = os.path.lexists(destination)
    is_file = exists and os.path.isfile(destination) and not os.path.islink(destination)
    if exists and not call["force"]:
        return {"changed": False, "dest": destination, "msg": "file already exists"}
    there, sha1 = _digests(destination, size) if is_file else ("", "")
    if there == sha256:
        changes = wanted.changes(destination)
        if changes:
            result["changed"] = True
            result["diff"] = diffs.values(changes, destination) if call.diff else ""
            if not call.check:
                wanted.apply(destination)
        result["checksum"] = sha1
        return result
    result["changed"] = True
    small = size <= IN_MEMORY

    def content() -> bytes | None:
        if not small:
            return None
        return _read(source) if source is not None else call.contents.data(sha256, size)

    if call.diff:
        result["diff"] = _diff(destination, _read(destination), size, content())
        if exists:
            result["diff"] += diffs.values(wanted.changes(destination), destination)
    if call.check:
        return result
    folder = os.path.dirname(destination)
    if call["directory_mode"] is not None and not os.path.isdir(folder):
        make_directories(folder, Wanted({**call.arguments, "mode": call["directory_mode"]}))

    def fill(stream: BinaryIO) -> None:
        if source is not None:
            with open(source, "rb") as original:
                while True:
                    chunk = original.read(1 << 20)
                    if not chunk:
                        return
                    stream.write(chunk)
        elif small:
            stream.write(call.contents.data(sha256, size))
        else:
            call.contents.into(sha256, size, stream)

    if call["backup"] and is_file:
        result["backup_file"] = backups.keep(destination)
    atomic.replace(destination, fill, wanted, validate=validator(call))
    result["checksum"] = file_digests(destination, "sha1")[0]
    return result
