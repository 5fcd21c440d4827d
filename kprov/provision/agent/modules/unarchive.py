"""unarchive: a tar archive is unpacked into a folder, once. What is unpacked appears whole: a folder that was not
there is renamed into place.

Parameters:
    src: the archive (the controller's; with remote_src the machine's). dest: the folder. creates: a path that
        makes it unnecessary.
    replace: dest becomes exactly the archive. owner, group: of everything unpacked (root where not given). sha256:
        the archive's, checked.

Returns:
    dest. That an archive was unpacked is remembered in dest/.kprov-archives/SHA256.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_hash
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "src": Parameter("path"),
    "dest": Parameter("path", required=True),
    "remote_src": Parameter("bool", default=False),
    "creates": Parameter("path"),
    "replace": Parameter("bool", default=False),
    "owner": Parameter("str"),
    "group": Parameter("str"),
    "mode": Parameter("mode"),
    "sha256": Parameter("str"),
}

MARKS = ".kprov-archives"


def _safe_members(archive: tarfile.TarFile, owner: Wanted) -> Any:
    """Members that stay within the folder, owned as asked for."""
    for member in archive:
        name = member.name.lstrip("/")
        parts = name.split("/")
        if ".." in parts or (
            member.issym()
            and os.path.isabs(member.linkname) is False
            and ".." in os.path.normpath(os.path.join(os.path.dirname(name), member.linkname)).split("/")
        ):
            raise ModuleFailed("the archive holds '%s', which leads out of its folder" % member.name)
        if member.isdev():
            continue
        member.name = name
        member.uid = owner.uid if owner.uid != -1 else 0
        member.gid = owner.gid if owner.gid != -1 else 0
        member.uname = member.gname = ""
        yield member


def _unpack(path: str, folder: str, owner: Wanted) -> None:
    with tarfile.open(path, "r:*") as archive:
        # Newer Pythons filter by themselves, and would drop modes; the members are checked here.
        archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
        archive.extractall(folder, members=_safe_members(archive, owner), numeric_owner=True)  # noqa: S202 - members are checked


def _merge(source: str, target: str) -> None:
    """Move a tree over another, file by file, each at once."""
    for folder, folders, files in os.walk(source):
        place = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(place, exist_ok=True)
        for name in [*files, *[f for f in folders if os.path.islink(os.path.join(folder, f))]]:
            os.rename(os.path.join(folder, name), os.path.join(place, name))


def run(call: Call) -> dict[str, Any]:
    """Look for the mark, then unpack."""
    destination = call["dest"].rstrip("/")
    result: dict[str, Any] = {"changed": False, "dest": destination}
    if call["creates"] and os.path.exists(call["creates"]):
        return result
    sha256 = call.get("_sha256")
    if sha256 is None:
        sha256 = file_hash(call["src"] or "")
        if sha256 is None:
            raise ModuleFailed("%s is not a file on this machine" % call["src"])
    if call["sha256"] and call["sha256"] != sha256:
        raise ModuleFailed(
            "the archive's checksum is %s, not %s: it was damaged or replaced" % (sha256, call["sha256"])
        )
    mark = os.path.join(destination, MARKS, sha256)
    if os.path.exists(mark):
        return result
    result["changed"] = True
    if call.diff:
        result["diff"] = diffs.values(
            [(os.path.basename(call["src"] or call.get("_name") or ""), None, sha256[:16])], destination
        )
    if call.check:
        return result
    owner = Wanted({"owner": call["owner"], "group": call["group"]})
    parent = os.path.dirname(destination)
    os.makedirs(parent, exist_ok=True)
    atomic.sweep(parent)
    work = tempfile.mkdtemp(prefix=atomic.prefix(), dir=parent)
    try:
        archive = call["src"] if call["remote_src"] else os.path.join(work, "archive")
        if not call["remote_src"]:
            with open(archive, "wb") as stream:
                call.contents.into(sha256, call["_size"], stream)
        tree = os.path.join(work, "tree")
        os.mkdir(tree, 0o755)
        _unpack(archive, tree, owner)
        os.makedirs(os.path.join(tree, MARKS), exist_ok=True)
        with open(os.path.join(tree, MARKS, sha256), "w"):
            pass
        if call["mode"]:
            Wanted({"mode": call["mode"]}).apply(tree)
        if os.path.isdir(destination) and not call["replace"]:
            # The mark comes last: an unpacking that was cut off is done again.
            marks = os.path.join(tree, MARKS)
            kept = os.path.join(work, "marks")
            os.rename(marks, kept)
            _merge(tree, destination)
            os.makedirs(os.path.join(destination, MARKS), exist_ok=True)
            os.rename(os.path.join(kept, sha256), mark)
        else:
            if os.path.lexists(destination):
                os.rename(destination, os.path.join(work, "old"))
            os.rename(tree, destination)
        os.sync()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return result
