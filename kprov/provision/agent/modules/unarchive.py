"""unarchive: an archive (tar, tar.gz, tar.bz2, tar.xz, zip) is unpacked into a folder.

Only what is different is written, and each file appears whole. With `replace` or `sha256` what was unpacked is
remembered by its content (DEST/.kprov-archives/SHA256), so that a large archive is not even sent again.

Parameters:
    src: the archive: the controller's; with remote_src the machine's, or a URL that it is fetched from.
    dest: the folder, which must be there (with replace or sha256 it is made).
    remote_src: `src` is on the machine.
    creates: a path that makes it unnecessary when it is there.
    list_files: tell what is in the archive.
    include: only these members (as a shell would match them).
    exclude: not these members.
    keep_newer: files that are newer than the archive's stay.
    extra_opts: of tar's options only --strip-components=N.
    validate_certs: whether the server's certificate must be good.
    mode: permissions of everything that is unpacked; none: as the archive has them.
    owner: whose everything is; none: the agent's user's.
    group: the group of everything.
    replace: dest becomes exactly the archive, in one step (kprov's own).
    sha256: what the archive must be (kprov's own).

Returns:
    dest: the folder.
    src: the archive.
    handler: TgzArchive or ZipArchive.
    files: the members, with list_files.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zipfile
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.archives import tar_members, zip_members
from kprov.provision.agent.attributes import ATTRIBUTE_PARAMETERS, Wanted, mode_bits
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_hash
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter
from kprov.provision.agent.unpacking import chosen, unpack
from kprov.provision.agent.web import WEB_PARAMETERS, open_url

PARAMETERS = {
    "src": Parameter("path", required=True),
    "dest": Parameter("path", required=True),
    "remote_src": Parameter("bool", default=False),
    "creates": Parameter("path"),
    "list_files": Parameter("bool", default=False),
    "include": Parameter("list", default=[], elements="str"),
    "exclude": Parameter("list", default=[], elements="str"),
    "keep_newer": Parameter("bool", default=False),
    "extra_opts": Parameter("list", default=[], elements="str"),
    "validate_certs": Parameter("bool", default=True),
    **ATTRIBUTE_PARAMETERS,
    "replace": Parameter("bool", default=False),
    "sha256": Parameter("str"),
}
MUTUALLY_EXCLUSIVE = [("include", "exclude")]

MARKS = ".kprov-archives"


def _read(call: Call, path: str, folder: str) -> tuple[str, list[str], list[str]]:
    """Unpack whatever kind of archive it is: its kind, what was different, what is in it."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as zipped:
                return ("ZipArchive", *unpack(call, chosen(call, zip_members(zipped)), folder))
        with tarfile.open(path, "r:*") as archive:
            return ("TgzArchive", *unpack(call, chosen(call, tar_members(archive)), folder))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ModuleFailed("%s cannot be unpacked: %s" % (call["src"], error)) from None


def _bring(call: Call, work: str) -> str:
    """Have the archive on the machine."""
    if "://" in call["src"]:
        path = os.path.join(work, "archive")
        web = {name: parameter.default for name, parameter in WEB_PARAMETERS.items()}
        fetching = call.with_arguments(**{**web, "validate_certs": call["validate_certs"]})
        try:
            with open_url(fetching, call["src"]) as answer, open(path, "wb") as stream:
                if (answer.status or 200) != 200:
                    raise ModuleFailed("%s: the server says %d %s" % (call["src"], answer.status, answer.reason))
                shutil.copyfileobj(answer, stream, 1 << 20)
        except OSError as error:
            raise ModuleFailed("%s: %s" % (call["src"], error)) from None
        return path
    if call["remote_src"]:
        return str(call["src"])
    path = os.path.join(work, "archive")
    with open(path, "wb") as stream:
        call.contents.into(call["_sha256"], call["_size"], stream)
    return path


def _whole(call: Call, destination: str, sha256: str, mark: str) -> None:
    """Unpack an archive beside its place, and give it that at once; or add it to what is there, its mark last."""
    parent = os.path.dirname(destination)
    os.makedirs(parent, exist_ok=True)
    atomic.sweep(parent)
    work = tempfile.mkdtemp(prefix=atomic.prefix(), dir=parent)
    try:
        tree = os.path.join(work, "tree")
        os.mkdir(tree, 0o755)
        _fast(call, _bring(call, work), tree)
        os.makedirs(os.path.join(tree, MARKS), exist_ok=True)
        with open(os.path.join(tree, MARKS, sha256), "xb"):
            pass
        if os.path.isdir(destination) and not call["replace"]:
            # The mark comes last: an unpacking that was cut off is done again.
            marks = os.path.join(work, "marks")
            os.rename(os.path.join(tree, MARKS), marks)
            _merge(tree, destination)
            os.makedirs(os.path.dirname(mark), exist_ok=True)
            os.rename(os.path.join(marks, sha256), mark)
        else:
            if os.path.lexists(destination):
                os.rename(destination, os.path.join(work, "old"))
            os.rename(tree, destination)
        os.sync()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _merge(source: str, target: str) -> None:
    """Move a tree over another, file by file, each at once."""
    for folder, folders, files in os.walk(source):
        place = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(place, exist_ok=True)
        for name in [*files, *[f for f in folders if os.path.islink(os.path.join(folder, f))]]:
            os.rename(os.path.join(folder, name), os.path.join(place, name))


def _fast(call: Call, path: str, tree: str) -> None:
    """Unpack into a folder that nobody sees yet: file by file, without a sync for each."""
    owner = Wanted({"owner": call["owner"], "group": call["group"]})
    try:
        with tarfile.open(path, "r:*") as archive:
            by_name = {info.name: info for info in archive.getmembers()}
            # Newer Pythons filter by themselves, and would drop modes; the members are checked here.
            archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
            infos = []
            checked = {member.name for member in chosen(call, tar_members(archive))}
            for name, info in by_name.items():
                if os.path.normpath(name.lstrip("/")) in checked:
                    info.name = name.lstrip("/")
                    info.uid, info.gid = max(owner.uid, 0), max(owner.gid, 0)
                    info.uname = info.gname = ""
                    if call["mode"] is not None:
                        info.mode = mode_bits(call["mode"], info.mode, info.isdir())
                    infos.append(info)
            archive.extractall(tree, members=infos, numeric_owner=True)  # noqa: S202 - members are checked
    except (tarfile.TarError, EOFError) as error:
        raise ModuleFailed("%s cannot be unpacked: %s" % (call["src"], error)) from None


def run(call: Call) -> dict[str, Any]:
    """Compare, then unpack."""
    destination = call["dest"].rstrip("/") or "/"
    result: dict[str, Any] = {"changed": False, "dest": destination, "src": call["src"]}
    if call["creates"] and os.path.exists(call["creates"]):
        return {**result, "msg": "skipped, since %s exists" % call["creates"]}
    sha256 = call.get("_sha256")
    if sha256 is None and "://" not in call["src"]:
        sha256 = file_hash(call["src"])
        if sha256 is None:
            if call.check:
                return {**result, "changed": True, "msg": "%s is not on the machine yet" % call["src"]}
            raise ModuleFailed("%s is not a file on this machine" % call["src"])
    if call["sha256"] and call["sha256"] != sha256:
        raise ModuleFailed(
            "the archive's checksum is %s, not %s: it was damaged or replaced" % (sha256, call["sha256"])
        )
    if call["replace"] or call["sha256"]:
        if sha256 is None:
            raise ModuleFailed("'replace' and 'sha256' go with an archive that is there, not with a URL")
        mark = os.path.join(destination, MARKS, sha256)
        if os.path.exists(mark):
            return result
        result["changed"] = True
        if call.diff:
            name = os.path.basename(call["src"] or call.get("_name") or "")
            result["diff"] = diffs.values([(name, None, sha256[:16])], destination)
        if not call.check:
            _whole(call, destination, sha256, mark)
        return result
    if not os.path.isdir(destination) and not call.check:
        raise ModuleFailed("folder %s does not exist: make it first (file: path=... state=directory)" % destination)
    work = tempfile.mkdtemp(prefix="kprov-")
    try:
        kind, different, names = _read(call, _bring(call, work), destination)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    result.update(changed=bool(different), handler=kind)
    if call["list_files"]:
        result["files"] = names
    if call.diff:
        result["diff"] = diffs.values([("member", None, name) for name in different], destination)
    return result
