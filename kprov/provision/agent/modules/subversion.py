"""subversion: a folder holds a revision of a Subversion repository.

Parameters:
    repo: where it comes from.
    dest: the folder.
    revision: which; HEAD: the newest.
    force: changes that were made in the folder are thrown away; an export may go over what is there.
    in_place: a folder that is there and none of Subversion's becomes one.
    username: who asks.
    password: the password; it is never a program's argument.
    executable: the program.
    checkout: it is fetched if it is not there.
    update: a newer revision is fetched.
    export: only the files, without what Subversion needs to keep them up to date: every time anew.
    switch: a folder of another place in the repository goes over to `repo`.
    validate_certs: whether the server's certificate must be good.

Returns:
    before: revision and URL that were there.
    after: revision and URL that are there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from kprov.provision.agent import diffs, processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "repo": Parameter("str", required=True, aliases=("name", "repository")),
    "dest": Parameter("path"),
    "revision": Parameter("str", default="HEAD", aliases=("rev", "version")),
    "force": Parameter("bool", default=False),
    "in_place": Parameter("bool", default=False),
    "username": Parameter("str"),
    "password": Parameter("str", secret=True),
    "executable": Parameter("path"),
    "checkout": Parameter("bool", default=True),
    "update": Parameter("bool", default=True),
    "export": Parameter("bool", default=False),
    "switch": Parameter("bool", default=True),
    "validate_certs": Parameter("bool", default=False),
}

# What svn says of files that it changed.
_CHANGED = re.compile(r"^[ABDUCGE]\s", re.MULTILINE)

Place = list[str]
"""A revision and a URL, each as svn says it: "Revision: 5"."""


class Folder:
    """The folder, by way of the program svn."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.path = call["dest"]

    def svn(self, *arguments: str, succeed: bool = True) -> processes.Completed:
        """Run svn, without it ever asking anyone anything."""
        call = self.call
        command = [call["executable"] or "svn", "--non-interactive", "--no-auth-cache"]
        if not call["validate_certs"]:
            command.append("--trust-server-cert")
        if call["username"]:
            command += ["--username", call["username"]]
        stdin = None
        if call["password"]:
            command.append("--password-from-stdin")
            stdin = call["password"].encode()
        completed = call.run([*command, *arguments], succeed=False, stdin=stdin)
        if succeed and completed.rc != 0:
            raise ModuleFailed("svn %s: %s" % (arguments[0], completed.words()), rc=completed.rc)
        return completed

    def of(self, *where: str) -> Place:
        """What is there: a working copy, or a place in the repository."""
        text = self.svn("info", *where).stdout
        revision = re.search(r"^Revision\s?: \d+$", text, re.MULTILINE)
        url = re.search(r"^URL\s?:.*$", text, re.MULTILINE)
        return [
            revision[0] if revision else "Unable to get revision",
            url[0] if url else "Unable to get URL",
        ]

    @property
    def is_working_copy(self) -> bool:
        """It is Subversion's."""
        return self.svn("info", self.path, succeed=False).rc == 0

    @property
    def is_modified(self) -> bool:
        """Somebody changed files that belong to the repository."""
        lines = self.svn("status", "--quiet", "--ignore-externals", self.path).stdout.splitlines()
        return any(line[:1] not in ("?", "X", "") for line in lines)

    def bring(self, verb: str, *options: str) -> None:
        """Fetch it whole: checkout or export."""
        self.svn(verb, *options, "-r", self.call["revision"], self.call["repo"], self.path)

    def up_to_date(self) -> bool:
        """Bring it to the place and the revision. Whether files were changed."""
        revision = self.call["revision"]
        said = ""
        if self.call["switch"]:
            said += self.svn("switch", "--revision", revision, self.call["repo"], self.path).stdout
        said += self.svn("update", "-r", revision, self.path).stdout
        return bool(_CHANGED.search(said))


def _number(place: Place) -> int:
    text = place[0].rpartition(":")[2].strip()
    return int(text) if text.isdigit() else 0


def _result(
    call: Call, changed: bool, before: Place | None, after: Place | None, modified: bool = False
) -> dict[str, Any]:
    old: Sequence[str | None] = before or (None, None)
    new: Sequence[str | None] = after or (None, None)
    changes: list[tuple[str, object, object]] = []
    if modified:
        changes.append(("files", "changed by somebody", "as in the repository"))
    changes += [(name, a, b) for name, a, b in zip(("revision", "url"), old, new) if a != b]
    diff = diffs.values(changes, call["dest"] or call["repo"]) if call.diff and changed else ""
    return {"changed": changed, "before": before, "after": after, "diff": diff}


def run(call: Call) -> dict[str, Any]:
    """Compare, then fetch."""
    folder, path = Folder(call), call["dest"]
    if not path and (call["checkout"] or call["update"] or call["export"]):
        raise ModuleFailed("the destination directory must be specified unless checkout=no, update=no, and export=no")
    if not (call["export"] or call["update"] or call["checkout"]):
        return _result(call, False, None, folder.of(call["repo"]))
    there = os.path.exists(path)
    if call["export"]:
        if not call.check:
            folder.bring("export", *(["--force"] if call["force"] else []))
        return _result(call, True, None, folder.of("-r", call["revision"], call["repo"]))
    if not there:
        if not call["checkout"]:
            return _result(call, False, None, None)
        if not call.check:
            folder.bring("checkout")
        return _result(call, True, None, folder.of("-r", call["revision"], call["repo"]))
    if folder.is_working_copy:
        return _update(call, folder) if call["update"] else _result(call, False, None, None)
    if not call["in_place"]:
        raise ModuleFailed("%s is there and is no working copy of Subversion's: move it away first" % path)
    if not call.check:
        folder.bring("checkout", "--force")
        if call["force"] and folder.is_modified:
            folder.svn("revert", "-R", path)
    return _result(call, True, None, folder.of("-r", call["revision"], call["repo"]))


def _update(call: Call, folder: Folder) -> dict[str, Any]:
    """Bring a working copy up to date."""
    before, modified = folder.of(folder.path), folder.is_modified
    if modified and not call["force"]:
        raise ModuleFailed("%s has changes of somebody's; force: true throws them away" % folder.path)
    if call.check:
        wanted = folder.of("-r", call["revision"], call["repo"] if call["switch"] else folder.path)
        differs = _number(before) != _number(wanted) or (call["switch"] and before[1] != wanted[1])
        return _result(call, modified or differs, before, wanted, modified)
    if modified:
        folder.svn("revert", "-R", folder.path)
    changed = folder.up_to_date()
    return _result(call, changed or modified, before, folder.of(folder.path), modified)
