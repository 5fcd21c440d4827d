"""copy: a file with a given content. Content travels only when the file there differs.

Parameters:
    content: the text, or src: a file of the controller (with remote_src: of the machine). dest: where it goes.
    mode, owner, group: set before the content can be seen. directory_mode: makes missing folders with this mode.
    force: false leaves an existing file as it is. validate: a command line with %s (the new file) that must succeed.
    backup: keep what was there beside it, as NAME.~kprov~.

Returns:
    dest, checksum (SHA-256), size, diff.
"""

from __future__ import annotations

import os
import shlex
from typing import Any, BinaryIO

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_hash
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "dest": Parameter("path", required=True),
    "src": Parameter("path"),
    "content": Parameter("any"),
    "remote_src": Parameter("bool", default=False),
    "force": Parameter("bool", default=True),
    "backup": Parameter("bool", default=False),
    "validate": Parameter("str"),
    "directory_mode": Parameter("mode"),
    **ATTRIBUTE_PARAMETERS,
}
REQUIRES_ONE_OF = [("src", "content", "_sha256")]

# Larger files are streamed to the disk and shown in diffs by their size only.
IN_MEMORY = 4 * 1024 * 1024


def _read(path: str) -> bytes | None:
    try:
        if os.path.getsize(path) > IN_MEMORY:
            return b"\0"
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def validator(call: Call) -> Any:
    """What checks the new file before it takes its place, None where the task names nothing."""
    command = call.get("validate")
    if not command:
        return None
    if "%s" not in command:
        raise ModuleFailed("'validate' must contain %s, where the new file's path goes")

    def check(path: str) -> None:
        argv = shlex.split(command.replace("%s", shlex.quote(path)))
        completed = call.run(argv, succeed=False)
        if completed.rc != 0:
            raise ModuleFailed(
                "the new content was refused by '%s': %s" % (argv[0], completed.words()), rc=completed.rc
            )

    return check


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
    result: dict[str, Any] = {"changed": False, "dest": destination, "checksum": sha256, "size": size}
    exists = os.path.lexists(destination)
    is_file = os.path.isfile(destination) and not os.path.islink(destination)
    if exists and (
        not call["force"] or (is_file and os.path.getsize(destination) == size and file_hash(destination) == sha256)
    ):
        changes = wanted.changes(destination)
        if changes:
            result["changed"] = True
            result["diff"] = diffs.values(changes, destination) if call.diff else ""
            if not call.check:
                wanted.apply(destination)
        return result
    result["changed"] = True
    small = size <= IN_MEMORY

    def content() -> bytes:
        if source is not None:
            return _read(source) or b""
        return call.contents.data(sha256, size)

    if call.diff:
        before = _read(destination)
        result["diff"] = diffs.unified(before, content() if small else b"\0", destination)
        if exists:
            result["diff"] += diffs.values(wanted.changes(destination), destination)
    if call.check:
        return result
    folder = os.path.dirname(destination)
    if call["directory_mode"] is not None and not os.path.isdir(folder):
        os.makedirs(folder)
        Wanted({**call.arguments, "mode": call["directory_mode"]}).apply(folder)

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
        with open(destination, "rb") as old:
            atomic.write(destination + ".~kprov~", old.read(), Wanted({"mode": "0600"}))
    atomic.replace(destination, fill, wanted, validate=validator(call))
    return result


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    destination = call["dest"]
    source = call["src"] if call["remote_src"] else None
    if destination.endswith("/") or os.path.isdir(destination):
        name = os.path.basename(call["src"] or call.get("_name") or "")
        if not name:
            raise ModuleFailed("%s is a folder: name the file" % destination)
        destination = os.path.join(destination, name)
    if source is not None:
        sha256 = file_hash(source)
        if sha256 is None:
            if call.check:
                return {"changed": True, "msg": "%s is not on the machine yet" % source}
            raise ModuleFailed("%s is not a file on this machine" % source)
        return place(call, destination, sha256, os.path.getsize(source), source)
    if call.get("_sha256") is None:
        raise ModuleFailed("copy was sent without its content")
    return place(call, destination, call["_sha256"], call["_size"], None)
