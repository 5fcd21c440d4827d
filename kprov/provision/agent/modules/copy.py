"""copy: a file with a given content. Content travels only when the file there differs.

Parameters:
    dest: where it goes; a folder, or a path that ends with `/`: the source's name below it.
    src: a file of the controller (with remote_src: of the machine, or a folder of it).
    content: the text itself, instead of src.
    remote_src: `src` is on the machine.
    force: false leaves an existing file as it is.
    follow: what a link at `dest` points to is written, not the link replaced.
    checksum: the SHA-1 that the content must have.
    backup: keep the file as it was beside it.
    validate: a command line with %s (the new file) that must succeed.
    directory_mode: permissions of folders that have to be made.
    mode: permissions, octal ("0644"), symbolic ("u=rw,g=r") or preserve (the source's).
    owner: the file's owner.
    group: the file's group.

Returns:
    dest: the file.
    checksum: the content's SHA-1.
    backup_file: the path of the backup, where one was made.
"""

from __future__ import annotations

import os
import stat
from typing import Any, BinaryIO

from kprov.provision.agent import atomic, backups, diffs
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_digest, file_hash
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.modules.file import make_directories
from kprov.provision.agent.parameters import Parameter
from kprov.provision.agent.validation import validator

PARAMETERS = {
    "dest": Parameter("path", required=True),
    "src": Parameter("path"),
    "content": Parameter("any"),
    "remote_src": Parameter("bool", default=False),
    "force": Parameter("bool", default=True),
    "follow": Parameter("bool", default=False),
    "checksum": Parameter("str"),
    "backup": Parameter("bool", default=False),
    "validate": Parameter("str"),
    "directory_mode": Parameter("mode"),
    **ATTRIBUTE_PARAMETERS,
}
REQUIRES_ONE_OF = [("src", "content", "_sha256")]
MUTUALLY_EXCLUSIVE = [("src", "content")]

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
    is_file = os.path.isfile(destination) and not os.path.islink(destination)
    if exists and not call["force"]:
        return {"changed": False, "dest": destination, "msg": "file already exists"}
    if is_file and os.path.getsize(destination) == size and file_hash(destination) == sha256:
        changes = wanted.changes(destination)
        if changes:
            result["changed"] = True
            result["diff"] = diffs.values(changes, destination) if call.diff else ""
            if not call.check:
                wanted.apply(destination)
        result["checksum"] = file_digest(destination, "sha1")
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
    result["checksum"] = file_digest(destination, "sha1")
    return result


def _from_machine(call: Call, source: str, destination: str) -> dict[str, Any]:
    """A file of the machine itself."""
    sha256 = file_hash(source)
    if sha256 is None:
        if call.check:
            return {"changed": True, "dest": destination, "msg": "%s is not on the machine yet" % source}
        raise ModuleFailed("%s is not a file on this machine" % source)
    if call["checksum"] and file_digest(source, "sha1") != call["checksum"]:
        raise ModuleFailed("the checksum of %s is %s, not %s" % (source, file_digest(source, "sha1"), call["checksum"]))
    if call["mode"] == "preserve":
        mode = "%04o" % stat.S_IMODE(os.stat(source).st_mode)
        call = call.with_arguments(mode=mode)
    return place(call, destination, sha256, os.path.getsize(source), source)


def _folder(call: Call, source: str, destination: str) -> dict[str, Any]:
    """A folder of the machine, with everything in it; `src/` means what is in it."""
    if not source.endswith("/"):
        destination = os.path.join(destination, os.path.basename(source))
    source = source.rstrip("/")
    result: dict[str, Any] = {"changed": False, "dest": destination, "src": source, "diff": ""}
    folders = Wanted({**call.arguments, "mode": call["directory_mode"]}, call.check)
    for folder, _, files in sorted(os.walk(source)):
        place_of = os.path.normpath(os.path.join(destination, os.path.relpath(folder, source)))
        if not os.path.isdir(place_of):
            result["changed"] = True
            result["diff"] += diffs.values([("state", "absent", "directory")], place_of) if call.diff else ""
            if not call.check:
                make_directories(place_of, folders)
        for name in sorted(files):
            done = _from_machine(call, os.path.join(folder, name), os.path.join(place_of, name))
            result["changed"] |= done["changed"]
            result["diff"] += done.get("diff", "")
    return result


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    destination = call["dest"]
    source = call["src"] if call["remote_src"] else None
    if source is not None and os.path.isdir(source):
        return _folder(call, source, destination)
    if destination.endswith("/") or os.path.isdir(destination):
        name = os.path.basename(call["src"] or call.get("_name") or "")
        if not name:
            raise ModuleFailed("%s is a folder: name the file" % destination)
        if not os.path.isdir(destination) and not call.check:
            make_directories(destination.rstrip("/"), Wanted({**call.arguments, "mode": call["directory_mode"]}))
        destination = os.path.join(destination, name)
    if source is not None:
        return _from_machine(call, source, destination)
    if call.get("_sha256") is None:
        raise ModuleFailed("copy was sent without its content")
    if call["mode"] == "preserve":
        call = call.with_arguments(mode=call.get("_mode"))
    return place(call, destination, call["_sha256"], call["_size"], None)
