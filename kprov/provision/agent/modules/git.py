"""git: a folder holds a version of a git repository.

Parameters:
    repo: where it comes from.
    dest: the folder.
    version: a branch, a tag or a commit; HEAD: the repository's own branch.
    remote: what the repository is called in the folder.
    update: a newer version is fetched.
    clone: it is fetched if it is not there.
    force: changes that were made in the folder are thrown away.
    depth: only so many commits are fetched.
    single_branch: only the branch is fetched.
    bare: without files.
    recursive: its submodules, too.
    refspec: a further reference that is fetched.
    key_file: the SSH key.
    accept_hostkey: a host that is not known yet is trusted.
    accept_newhostkey: likewise; a key that changed is refused.
    ssh_opts: further options for ssh.
    executable: the program.
    umask: of the files.

Returns:
    before: the commit that was there.
    after: the commit that is there.
    remote_url_changed: whether it comes from somewhere else now.
"""

from __future__ import annotations

import os
import shlex
from typing import Any

from kprov.provision.agent import diffs, processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "repo": Parameter("str", required=True, aliases=("name",)),
    "dest": Parameter("path", required=True),
    "version": Parameter("str", default="HEAD"),
    "remote": Parameter("str", default="origin"),
    "update": Parameter("bool", default=True),
    "clone": Parameter("bool", default=True),
    "force": Parameter("bool", default=False),
    "depth": Parameter("int"),
    "single_branch": Parameter("bool", default=False),
    "bare": Parameter("bool", default=False),
    "recursive": Parameter("bool", default=True),
    "refspec": Parameter("str"),
    "key_file": Parameter("path"),
    "accept_hostkey": Parameter("bool", default=False),
    "accept_newhostkey": Parameter("bool", default=False),
    "ssh_opts": Parameter("str"),
    "executable": Parameter("path"),
    "umask": Parameter("mode"),
}
MUTUALLY_EXCLUSIVE = [("accept_hostkey", "accept_newhostkey")]


class Repository:
    """The folder, by way of the program git."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.folder = call["dest"]
        self.store = self.folder if call["bare"] else os.path.join(self.folder, ".git")

    def git(self, *arguments: str, inside: bool = True, succeed: bool = True) -> processes.Completed:
        """Run git, without it ever asking anyone anything."""
        command = [self.call["executable"] or "git"]
        if inside:
            command += ["-C", self.folder, "-c", "safe.directory=*"]
        completed = processes.run(
            [*command, *arguments], environment=self._environment(), user=self.call.become_user,
            umask=int(self.call["umask"], 8) if self.call["umask"] else None,
        )  # fmt: skip
        if succeed and completed.rc != 0:
            raise ModuleFailed("git %s: %s" % (arguments[0], completed.words()), rc=completed.rc)
        return completed

    def _environment(self) -> dict[str, str]:
        ssh = ["ssh", "-o", "BatchMode=yes"]
        if self.call["accept_hostkey"]:
            ssh += ["-o", "StrictHostKeyChecking=no"]
        elif self.call["accept_newhostkey"]:
            ssh += ["-o", "StrictHostKeyChecking=accept-new"]
        if self.call["key_file"]:
            ssh += ["-i", self.call["key_file"], "-o", "IdentitiesOnly=yes"]
        ssh += shlex.split(self.call["ssh_opts"] or "")
        return {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_SSH_COMMAND": shlex.join(ssh),
            **self.call.environment,
        }

    def exists(self) -> bool:
        """Whether there is a repository."""
        return os.path.isfile(os.path.join(self.store, "config")) or os.path.isfile(self.store)

    def commit(self, name: str = "HEAD") -> str | None:
        """A name's commit, None where it has none."""
        completed = self.git("rev-parse", "--verify", "--quiet", name + "^{commit}", succeed=False)
        return completed.stdout.strip() if completed.rc == 0 else None

    def modified(self) -> bool:
        """Whether somebody changed files that belong to the repository."""
        if self.call["bare"]:
            return False
        return bool(self.git("status", "--porcelain", "--untracked-files=no").stdout.strip())

    def wanted_commit(self) -> str | None:
        """The commit that the version means at the other side; None where that is not known without fetching."""
        version = self.call["version"]
        if len(version) == 40 and not set(version) - set("0123456789abcdef"):
            return str(version)
        completed = self.git("ls-remote", self.call["repo"], inside=False)
        names = {name: commit for commit, _, name in (row.partition("\t") for row in completed.stdout.splitlines())}
        for name in (version, "refs/tags/%s^{}" % version, "refs/tags/" + version, "refs/heads/" + version):
            if name in names:
                return names[name]
        return self.commit(version) if self.exists() else None


def _shallow(call: Call) -> list[str]:
    found = ["--depth", str(call["depth"])] if call["depth"] else []
    return found


def _clone(repository: Repository) -> None:
    call, version = repository.call, repository.call["version"]
    os.makedirs(os.path.dirname(repository.folder) or "/", exist_ok=True)
    options = ["--origin", call["remote"], *_shallow(call)]
    options += ["--bare"] if call["bare"] else []
    options += ["--single-branch"] if call["single_branch"] else []
    is_commit = len(version) == 40 and not set(version) - set("0123456789abcdef")
    if version != "HEAD" and not is_commit:
        options += ["--branch", version]
    if is_commit:
        options += ["--no-checkout"] if not call["bare"] else []
    repository.git("clone", *options, "--", call["repo"], repository.folder, inside=False)
    if call["refspec"]:
        repository.git("fetch", call["remote"], call["refspec"])
    if is_commit and not call["bare"]:
        _checkout(repository, version)
    _submodules(repository)


def _submodules(repository: Repository) -> None:
    call = repository.call
    if call["recursive"] and os.path.exists(os.path.join(repository.folder, ".gitmodules")):
        repository.git("submodule", "sync", "--recursive")
        repository.git("submodule", "update", "--init", "--recursive", *(["--force"] if call["force"] else []))


def _checkout(repository: Repository, commit: str) -> None:
    """Have the version's files: on its branch where it is one, else at the commit."""
    call, version = repository.call, repository.call["version"]
    remote = "%s/%s" % (call["remote"], version)
    if version == "HEAD":
        branch = repository.git("symbolic-ref", "--short", "--quiet", "HEAD", succeed=False).stdout.strip()
        version, remote = branch, "%s/%s" % (call["remote"], branch)
    if version and repository.commit("refs/remotes/" + remote) is not None:
        repository.git("checkout", "--force", "-B", version, remote)
        repository.git("reset", "--hard", remote)
    else:
        repository.git("checkout", "--force", "--detach", commit)


def _fetch(repository: Repository, commit: str | None) -> None:
    call = repository.call
    if call["bare"]:
        repository.git("fetch", *_shallow(call), "--tags", "--force", call["remote"], "+refs/heads/*:refs/heads/*")
        return
    specs = [call["refspec"]] if call["refspec"] else []
    repository.git("fetch", *_shallow(call), "--tags", "--force", call["remote"], *specs)
    if commit is None or repository.commit(commit) is not None:
        return
    # It is on no branch's tip: ask for it, or for everything.
    if repository.git("fetch", *_shallow(call), call["remote"], commit, succeed=False).rc != 0:
        repository.git("fetch", "--unshallow", call["remote"], succeed=False)


def run(call: Call) -> dict[str, Any]:
    """Compare commits, then fetch and check out."""
    repository = Repository(call)
    result: dict[str, Any] = {"changed": False, "before": None, "after": None, "remote_url_changed": False}
    if not repository.exists():
        return _new(repository, result)
    before = repository.commit()
    result.update(before=before, after=before)
    url = repository.git("config", "--get", "remote.%s.url" % call["remote"], succeed=False).stdout.strip()
    changes: list[tuple[str, object, object]] = []
    modified = repository.modified()
    if modified and not call["force"] and call["update"]:
        raise ModuleFailed("%s has changes of somebody's; force: true throws them away" % repository.folder)
    wanted = repository.wanted_commit() if call["update"] else repository.commit(call["version"])
    if wanted is None:
        raise ModuleFailed("%s has no version '%s'" % (call["repo"], call["version"]))
    if url != call["repo"]:
        changes.append(("repo", url or None, call["repo"]))
        result["remote_url_changed"] = bool(url)
        if not call.check:
            verb = ["set-url"] if url else ["add"]
            repository.git("remote", *verb, call["remote"], call["repo"])
    if modified and call["force"]:
        changes.append(("files", "changed by somebody", "as in the repository"))
    if wanted != before:
        changes.append(("commit", before, wanted))
    if changes and not call.check:
        if call["update"]:
            _fetch(repository, wanted)
        if not call["bare"]:
            _checkout(repository, wanted)
            _submodules(repository)
    result.update(changed=bool(changes), after=wanted)
    result["diff"] = diffs.values(changes, repository.folder) if call.diff else ""
    return result


def _new(repository: Repository, result: dict[str, Any]) -> dict[str, Any]:
    call = repository.call
    if not call["clone"]:
        return result
    if os.path.isdir(repository.folder) and os.listdir(repository.folder):
        raise ModuleFailed("%s is there, is no git repository and not empty: move it away first" % repository.folder)
    wanted = repository.wanted_commit()
    if wanted is None:
        raise ModuleFailed("%s has no version '%s'" % (call["repo"], call["version"]))
    if not call.check:
        _clone(repository)
        wanted = repository.commit()
    result.update(changed=True, after=wanted)
    result["diff"] = diffs.values([("commit", None, wanted)], repository.folder) if call.diff else ""
    return result
