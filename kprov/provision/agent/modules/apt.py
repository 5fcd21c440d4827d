"""apt: Debian packages from the machine's own sources are installed, up to date, or gone.

Parameters:
    name: the packages; NAME=VERSION (with `*`) for one version, NAME:ARCHITECTURE, and `*` for several.
    state: present; latest; absent; build-dep: what is needed to build them; fixed: what was left half-done is repaired.
    update_cache: fetch the lists of packages first.
    cache_valid_time: only if they are older than so many seconds; says that they are to be fetched, too.
    update_cache_retries: how often a mirror that does not answer is asked again.
    update_cache_retry_max_delay: seconds at most between two tries.
    upgrade: also everything that is installed: yes or safe without, full or dist with removing packages.
    deb: a package file of the machine, or a URL of one.
    default_release: where packages come from if several releases have them.
    install_recommends: whether recommended packages come along; none: as apt is set up.
    only_upgrade: only packages that are installed.
    allow_downgrade: also an older version.
    allow_unauthenticated: also from sources that are not signed.
    allow_change_held_packages: also packages that are on hold.
    force: all three, and essential packages may go.
    dpkg_options: what dpkg does with changed configuration, for one.
    purge: with state=absent, their configuration goes, too.
    autoremove: packages that nobody needs any longer go.
    fail_on_autoremove: nothing may be removed on the way.
    autoclean: package files that can no longer be fetched are deleted.
    clean: all package files that were fetched are deleted.
    policy_rc_d: the exit code that services are answered with that want to start meanwhile (101: no).
    lock_timeout: seconds to wait for another apt or dpkg.
    force_apt_get: taken so that tasks written for Ansible run; apt-get is always used.

Returns:
    cache_updated: whether the lists were fetched.
    cache_update_time: when they last were.
    stdout: what apt-get said.
    stderr: what apt-get said on standard error.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from typing import Any

from kprov.provision.agent import apt_cache, diffs
from kprov.provision.agent.apt_work import Work
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.package_wishes import Wish, at_least, table
from kprov.provision.agent.parameters import Parameter
from kprov.provision.agent.web import WEB_PARAMETERS, open_url

PARAMETERS = {
    "name": Parameter("list", aliases=("package", "pkg"), elements="str"),
    "state": Parameter("str", default="present", choices=("absent", "build-dep", "fixed", "latest", "present")),
    "update_cache": Parameter("bool", aliases=("update-cache",)),
    "cache_valid_time": Parameter("int", default=0),
    "update_cache_retries": Parameter("int", default=5),
    "update_cache_retry_max_delay": Parameter("int", default=12),
    "upgrade": Parameter("str", default="no", choices=("dist", "full", "no", "safe", "yes")),
    "deb": Parameter("path"),
    "default_release": Parameter("str", aliases=("default-release",)),
    "install_recommends": Parameter("bool", aliases=("install-recommends",)),
    "only_upgrade": Parameter("bool", default=False),
    "allow_downgrade": Parameter(
        "bool", default=False, aliases=("allow-downgrade", "allow_downgrades", "allow-downgrades")
    ),
    "allow_unauthenticated": Parameter("bool", default=False, aliases=("allow-unauthenticated",)),
    "allow_change_held_packages": Parameter("bool", default=False),
    "force": Parameter("bool", default=False),
    "dpkg_options": Parameter("str", default="force-confdef,force-confold"),
    "purge": Parameter("bool", default=False),
    "autoremove": Parameter("bool", default=False),
    "fail_on_autoremove": Parameter("bool", default=False),
    "autoclean": Parameter("bool", default=False),
    "clean": Parameter("bool", default=False),
    "policy_rc_d": Parameter("int"),
    "lock_timeout": Parameter("int", default=60),
    "force_apt_get": Parameter("bool", default=False),
}
MUTUALLY_EXCLUSIVE = [("deb", "upgrade"), ("deb", "name")]


def _install(work: Work, wishes: list[Wish]) -> None:
    call = work.call
    missing = [wish for wish in wishes if not wish.fulfilled(call, table(call))]
    if call["state"] == "latest":
        wanted = wishes
        if call["only_upgrade"]:
            wanted = [wish for wish in wishes if wish not in missing]
        if not missing and not work.planned(["install", *[wish.word for wish in wanted]]):
            return
    elif call["only_upgrade"]:
        return
    else:
        wanted = missing
    if not wanted:
        return
    try:
        work.do(["install", *[wish.word for wish in wanted]])
    except ModuleFailed:
        if not call.check:
            raise
        # An earlier task may bring the source that has them.
        work.changed = True
        work.changes += [(wish.name, None, wish.version or "present") for wish in missing]


def _remove(work: Work, wishes: list[Wish]) -> None:
    call = work.call
    gone = (" not-installed",) if call["purge"] else (" not-installed", " config-files")
    found = sorted({p.name for p in table(call) for wish in wishes if wish.matches(p) and not p.status.endswith(gone)})
    if found:
        work.do(["purge" if call["purge"] else "remove", *found])


def _deb(work: Work, path: str) -> None:
    """A package file, or a URL of one."""
    call = work.call
    with contextlib.ExitStack() as stack:
        if "://" in path:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kprov-"))
            path = _fetched(call, path, folder)
        if not os.path.exists(path):
            if call.check:
                work.changed = True
                return
            raise ModuleFailed("%s does not exist on this machine" % path)
        shown = call.run(["dpkg-deb", "--field", path, "Package", "Version", "Architecture"]).stdout
        field = dict(line.split(": ", 1) for line in shown.splitlines() if ": " in line)
        for package in table(call):
            if package.installed and package.name == field["Package"]:
                if package.version == field["Version"]:
                    return
                if not call["allow_downgrade"] and at_least(call, package.version, field["Version"]):
                    words = "a later version of %s is installed: %s; allow_downgrade: true takes the older one"
                    raise ModuleFailed(words % (package.name, package.version))
        work.do(["install", os.path.abspath(path)])


def _fetched(call: Call, url: str, folder: str) -> str:
    path = os.path.join(folder, os.path.basename(url.partition("?")[0]) or "package.deb")
    web = {name: parameter.default for name, parameter in WEB_PARAMETERS.items()}
    try:
        with open_url(call.with_arguments(**web), url) as answer, open(path, "wb") as stream:
            if (answer.status or 200) != 200:
                raise ModuleFailed("%s: the server says %d %s" % (url, answer.status, answer.reason))
            while True:
                chunk = answer.read(1 << 20)
                if not chunk:
                    return path
                stream.write(chunk)
    except OSError as error:
        raise ModuleFailed("%s: %s" % (url, error)) from None


def _update(call: Call) -> bool:
    """Fetch the lists if they are to be fetched. Whether they were, or would be."""
    if call["update_cache"] is False or not (call["update_cache"] or call["cache_valid_time"]):
        return False
    if call["cache_valid_time"] and time.time() - apt_cache.updated_at(call) < call["cache_valid_time"]:
        return False
    if not call.check:
        apt_cache.update(call, call["update_cache_retries"], call["update_cache_retry_max_delay"])
    return True


def _clean(work: Work) -> None:
    folder = work.call.system_path("/var/cache/apt/archives")
    files = [name for name in os.listdir(folder) if name.endswith(".deb")] if os.path.isdir(folder) else []
    if work.call["clean"] and files:
        work.changed = True
        work.changes.append((folder, "%d packages" % len(files), None))
        if not work.call.check:
            apt_cache.run_apt(work.call, ["clean"], lock_timeout=work.call["lock_timeout"])
    elif work.call["autoclean"]:
        arguments = ["-y", "autoclean", *(["--simulate"] if work.call.check else [])]
        completed = apt_cache.run_apt(work.call, arguments, lock_timeout=work.call["lock_timeout"])
        gone = re.findall(r"^Del (\S+)", completed.stdout, re.MULTILINE)
        work.changed = work.changed or bool(gone)
        work.changes += [(name, "package file", None) for name in gone]


def run(call: Call) -> dict[str, Any]:
    """Compare with dpkg's table, then act."""
    work = Work(call)
    wishes = [Wish(name) for name in call["name"] or [] if name.strip()]
    everything = [wish for wish in wishes if wish.name == "*"]
    wishes = [wish for wish in wishes if wish not in everything]
    updated = _update(call)
    if call["clean"] or call["autoclean"]:
        _clean(work)
    upgrade = call["upgrade"]
    if everything and call["state"] == "latest" and upgrade == "no":
        upgrade = "yes"
    if upgrade != "no":
        work.do(["dist-upgrade"] if upgrade in ("full", "dist") else ["upgrade", "--with-new-pkgs"])
    if call["deb"] is not None:
        _deb(work, call["deb"])
    if call["state"] == "fixed":
        work.do(["--fix-broken", "install", *[wish.word for wish in wishes]])
    elif call["state"] == "build-dep":
        work.do(["build-dep", *[wish.word for wish in wishes]])
    elif wishes and call["state"] == "absent":
        _remove(work, wishes)
    elif wishes:
        _install(work, wishes)
    if call["autoremove"] and not wishes and upgrade == "no":
        work.do(["autoremove", *(["--purge"] if call["purge"] else [])])
    nothing_else = call["name"] is None and call["deb"] is None and upgrade == "no" and not call["autoremove"]
    return {
        "changed": work.changed or (updated and nothing_else),
        **apt_cache.result(call, updated),
        "stdout": "".join(each.stdout for each in work.said),
        "stderr": "".join(each.stderr for each in work.said),
        "diff": diffs.values(work.changes, "packages") if call.diff else "",
    }
