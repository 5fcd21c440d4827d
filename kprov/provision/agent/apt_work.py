"""What is done with apt-get, and what comes of it: told by dpkg's table before and after."""

from __future__ import annotations

import contextlib
import re

from kprov.provision.agent import apt_cache, dpkg, policy_rc_d, processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.package_wishes import table

Changes = list[tuple[str, object, object]]

_PLANNED = re.compile(r"^(Inst|Remv|Purg) (\S+)(?: \[([^\]]*)\])?(?: \((\S+))?", re.MULTILINE)


def _options(call: Call) -> list[str]:
    """apt-get's, as the task's parameters say."""
    found = ["-y", "-q"]
    for option in filter(None, call["dpkg_options"].split(",")):
        found += ["-o", "Dpkg::Options::=--" + option.strip()]
    if call["install_recommends"] is not None:
        found.append("--install-recommends" if call["install_recommends"] else "--no-install-recommends")
    for parameter, option in (
        ("only_upgrade", "--only-upgrade"),
        ("allow_downgrade", "--allow-downgrades"),
        ("allow_unauthenticated", "--allow-unauthenticated"),
        ("allow_change_held_packages", "--allow-change-held-packages"),
        ("autoremove", "--auto-remove"),
        ("fail_on_autoremove", "--no-remove"),
    ):
        if call[parameter]:
            found.append(option)
    if call["force"]:
        found += ["--allow-downgrades", "--allow-unauthenticated", "--allow-change-held-packages"]
        found.append("--allow-remove-essential")
    if call["default_release"]:
        found += ["-t", call["default_release"]]
    return found


class Work:
    """What is done with apt-get, and what came of it."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.said: list[processes.Completed] = []
        self.changes: Changes = []
        self.changed = False

    def planned(self, arguments: list[str]) -> Changes:
        """What apt-get would do.

        Raises:
            ModuleFailed: it would not.
        """
        completed = self._run([*arguments, "--simulate"])
        changes: Changes = []
        for kind, name, old, new in _PLANNED.findall(completed.stdout):
            changes.append((name, old or None, new if kind == "Inst" else None))
        return changes

    def _run(self, arguments: list[str]) -> processes.Completed:
        completed = apt_cache.run_apt(
            self.call, [*_options(self.call), *arguments], lock_timeout=self.call["lock_timeout"]
        )
        if completed.rc != 0:
            lines = [line for line in (completed.stderr + completed.stdout).splitlines() if line.startswith("E: ")]
            raise ModuleFailed(
                "apt-get %s: %s" % (arguments[0], "; ".join(line[3:] for line in lines) or completed.words()),
                rc=completed.rc, stdout=completed.stdout, stderr=completed.stderr,
            )  # fmt: skip
        return completed

    def do(self, arguments: list[str]) -> None:
        """Have apt-get do it; in check mode, say what it would do."""
        if self.call.check:
            changes = self.planned(arguments)
            self.changes += changes
            self.changed = self.changed or bool(changes)
            return
        before = table(self.call)
        policy = self.call.system_path(policy_rc_d.PATH)
        policy_rc_d.remove_stale(policy)
        code = self.call["policy_rc_d"]
        with policy_rc_d.answering(code, policy) if code is not None else contextlib.nullcontext():
            self.said.append(self._run(arguments))
        changes = _between(before, table(self.call))
        self.changes += changes
        self.changed = self.changed or bool(changes)


def _between(before: list[dpkg.Package], after: list[dpkg.Package]) -> Changes:
    """What became of the packages."""

    def versions(table: list[dpkg.Package]) -> dict[str, str]:
        return {package.name: package.version for package in table if package.installed}

    old, new = versions(before), versions(after)
    changes: Changes = [
        (name, old.get(name), new.get(name)) for name in sorted({*old, *new}) if old.get(name) != new.get(name)
    ]
    kept = {p.name for p in after if p.status.endswith("config-files")}
    gone = [p.name for p in before if p.status.endswith("config-files") and p.name not in kept and p.name not in new]
    return changes + [(name, "configuration", None) for name in sorted(gone)]
