"""copy: a file with a given content. Content travels only when the file there differs.

Parameters:
    dest: where it goes; a folder, or a path that ends with `/`: the source's name below it.
    src: a file or a folder of the controller (with remote_src: of the machine); `folder/` means what is in it.
    content: the text itself, instead of src.
    remote_src: `src` is on the machine.
    force: false leaves an existing file as it is.
    local_follow: what links in a folder of the controller point to is taken for them.
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
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_digests, file_hash
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.modules.file import make_directories
from kprov.provision.agent.parameters import Parameter
from kprov.provision.agent.placing import place

PARAMETERS = {
    "dest": Parameter("path", required=True),
    "src": Parameter("path"),
    "content": Parameter("any"),
    "remote_src": Parameter("bool", default=False),
    "force": Parameter("bool", default=True),
    "follow": Parameter("bool", default=False),
    "local_follow": Parameter("bool", default=True),
    "checksum": Parameter("str"),
    "backup": Parameter("bool", default=False),
    "validate": Parameter("str"),
    "directory_mode": Parameter("mode"),
    **ATTRIBUTE_PARAMETERS,
}
REQUIRES_ONE_OF = [("src", "content", "_sha256")]
MUTUALLY_EXCLUSIVE = [("src", "content")]


def _from_machine(call: Call, source: str, destination: str) -> dict[str, Any]:
    """A file of the machine itself."""
    sha256 = file_hash(source)
    if sha256 is None:
        if call.check:
            return {"changed": True, "dest": destination, "msg": "%s is not on the machine yet" % source}
        raise ModuleFailed("%s is not a file on this machine" % source)
    if call["checksum"]:
        (sha1,) = file_digests(source, "sha1")
        if sha1 != call["checksum"]:
            raise ModuleFailed("the checksum of %s is %s, not %s" % (source, sha1, call["checksum"]))
    if call["mode"] == "preserve":
        mode = "%04o" % stat.S_IMODE(os.stat(source).st_mode)
        call = call.with_arguments(mode=mode)
    return place(call, destination, sha256, os.path.getsize(source), source)


def _folder(call: Call, source: str, destination: str) -> dict[str, Any]:
    """A folder of the machine, with everything in it."""
    source = source.rstrip("/")
    result: dict[str, Any] = {"changed": False, "dest": destination, "src": source, "diff": ""}
    for folder, _, files in sorted(os.walk(source)):
        place_of = os.path.normpath(os.path.join(destination, os.path.relpath(folder, source)))
        _add(result, _make_folder(call, place_of))
        for name in sorted(files):
            _add(result, _from_machine(call, os.path.join(folder, name), os.path.join(place_of, name)))
    return result


def _sent_folder(call: Call, destination: str) -> dict[str, Any]:
    """A folder of the controller, with everything in it."""
    result: dict[str, Any] = {"changed": False, "dest": destination, "src": call["src"], "diff": ""}
    _add(result, _make_folder(call, destination))
    placed: dict[str, str] = {}
    for entry in call["_entries"]:
        path = os.path.join(destination, entry["path"])
        if entry.get("folder"):
            _add(result, _make_folder(call, path))
        elif "target" in entry:
            _add(result, _make_link(call, path, entry["target"]))
        else:
            mode = entry["mode"] if call["mode"] == "preserve" else call["mode"]
            # What two files have in common travels once.
            source = placed.get(entry["sha256"])
            _add(result, place(call.with_arguments(mode=mode), path, entry["sha256"], entry["size"], source))
            if not call.check:
                placed[entry["sha256"]] = path
    return result


def _add(result: dict[str, Any], done: dict[str, Any]) -> None:
    result["changed"] |= done["changed"]
    result["diff"] += done.get("diff", "")


def _make_folder(call: Call, path: str) -> dict[str, Any]:
    """A folder that is there: owner and group are brought to what is wanted, its mode stays (as with Ansible)."""
    there = os.path.isdir(path)
    if not there and os.path.lexists(path):
        raise ModuleFailed("%s is no folder: move it away first" % path)
    wanted = Wanted({**call.arguments, "mode": None if there else call["directory_mode"]}, call.check)
    changes: list[tuple[str, object, object]] = [("state", "absent", "directory")]
    if there:
        changes = list(wanted.changes(path))
    if changes and not call.check:
        if there:
            wanted.apply(path)
        else:
            make_directories(path, wanted)
    return {"changed": bool(changes), "diff": diffs.values(changes, path) if call.diff else ""}


def _make_link(call: Call, path: str, target: str) -> dict[str, Any]:
    there = os.readlink(path) if os.path.islink(path) else None
    if there == target or (os.path.lexists(path) and not call["force"]):
        return {"changed": False}
    if there is None and os.path.isdir(path):
        raise ModuleFailed("%s is a folder, and to become a link: move it away first" % path)
    if not call.check:
        temporary = os.path.join(os.path.dirname(path), atomic.prefix() + "link")
        os.symlink(target, temporary)
        os.rename(temporary, path)
    return {"changed": True, "diff": diffs.values([("target", there, target)], path) if call.diff else ""}


def _below(call: Call, name: str, destination: str) -> str:
    """Where a folder goes: `src/` means what is in it."""
    return destination if call["src"].endswith("/") else os.path.join(destination, name)


def run(call: Call) -> dict[str, Any]:
    """Compare, then write."""
    destination = call["dest"]
    source = call["src"] if call["remote_src"] else None
    if source is not None and os.path.isdir(source):
        return _folder(call, source, _below(call, os.path.basename(source), destination))
    if call.get("_entries") is not None:
        return _sent_folder(call, _below(call, call["_name"], destination))
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
