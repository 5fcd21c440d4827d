"""deb: a set of Debian packages from the controller is installed, in one call of dpkg (kprov's own).

None of their services is started.

Parameters:
    packages: a list of {name, version, architecture, path (the controller's), sha256, size}; only those that are not
        installed, or have lost a program or a library, travel. With state=absent only name is needed.
    state: whether they must be there.
    purge: with state=absent, their configuration goes, too.
    cache: where packages are kept on the way.
    keep: leave them there.
    allow_downgrade: also replace newer versions.
    lock_timeout: seconds to wait for another dpkg.
    ledger: a file that the names are noted in of packages that were not there at all before; with state=absent, those
        that it names are removed instead of `packages`, except what packages need that are not in it.

Returns:
    installed: the names that were (or would be) installed.
    removed: the names that were (or would be) removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import time
from collections.abc import Iterator
from typing import Any

from kprov.provision.agent import atomic, diffs, dpkg, policy_rc_d, processes
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ConnectionEnded, ModuleFailed
from kprov.provision.agent.modules import artifacts
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "packages": Parameter("list", default=[], aliases=("name",)),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "purge": Parameter("bool", default=False),
    "cache": Parameter("path", default=artifacts.CACHE),
    "keep": Parameter("bool", default=False),
    "allow_downgrade": Parameter("bool", default=False),
    "lock_timeout": Parameter("float", default=300),
    "ledger": Parameter("path"),
}

POLICY = policy_rc_d.PATH
LOCK = "/var/lib/dpkg/lock-frontend"

# A package whose Pre-Depends came in the same call may need a second one.
ATTEMPTS = 3


def _lock_holder(descriptor: int) -> str:
    """Who holds dpkg's lock."""
    request = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, request)
        pid = struct.unpack("hhqqi", answer)[4]
        with open("/proc/%d/comm" % pid) as stream:
            return "%s (process %d)" % (stream.read().strip(), pid)
    except (OSError, struct.error):
        return "another program"


@contextlib.contextmanager
def _frontend_lock(timeout: float) -> Iterator[None]:
    """dpkg's front-end lock, waited for."""
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o640)
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if processes.ending():
                    raise ConnectionEnded() from None
                if time.monotonic() > deadline:
                    raise ModuleFailed(
                        "%s holds dpkg's lock for more than %g s: wait for it to end, then run again"
                        % (_lock_holder(descriptor), timeout)
                    ) from None
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)


def _dpkg(call: Call, arguments: list[str]) -> processes.Completed:
    environment = {
        "DEBIAN_FRONTEND": "noninteractive",
        "DPKG_FRONTEND_LOCKED": "1",
        "DEBCONF_NOWARNINGS": "yes",
        **call.environment,
    }
    # Cut off half-way it would leave a broken machine: it is let finish.
    return processes.run(["dpkg", *arguments], environment=environment, protected=True)


def _is_newer(call: Call, installed: str, wanted: str) -> bool:
    return processes.run(["dpkg", "--compare-versions", installed, "gt", wanted]).rc == 0


def _to_install(call: Call) -> tuple[list[dict[str, Any]], dict[tuple[str, str], dpkg.Package], bool]:
    """What is missing, what is there, and whether something was left half-done."""
    table = dpkg.table()
    present = {(package.name, package.architecture): package for package in table}
    missing: list[dict[str, Any]] = []
    for wanted in call["packages"]:
        found = present.get((wanted["name"], wanted.get("architecture", "")))
        if found is None and not wanted.get("architecture"):
            found = next((package for package in table if package.name == wanted["name"]), None)
        if found is not None and found.installed:
            if found.version == wanted["version"]:
                if dpkg.lost_files(found):
                    missing.append(wanted)
                continue
            if not call["allow_downgrade"] and _is_newer(call, found.version, wanted["version"]):
                continue
        missing.append(wanted)
    return missing, present, any(package.half_done for package in table)


def _noted(path: str) -> set[str]:
    try:
        with open(path) as stream:
            return set(stream.read().split())
    except FileNotFoundError:
        return set()


def _note(path: str, names: list[str]) -> None:
    """Note packages, before they are installed: a call that is cut off has noted them."""
    noted = _noted(path)
    if not noted.issuperset(names):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        wanted = Wanted({"mode": "0600", "owner": None, "group": None}, False)
        atomic.write(path, "".join("%s\n" % name for name in sorted(noted.union(names))).encode(), wanted)


def _needed_by_none(call: Call, names: set[str]) -> set[str]:
    """Those of the packages that can go without another one losing what it needs, as dpkg itself sees it."""
    names = {package.name for package in dpkg.table() if package.installed}.intersection(names)
    while names:
        tried = processes.run(["dpkg", "--simulate", "--remove", *sorted(names)], environment={"LC_ALL": "C"})
        kept = set(re.findall(r"dependency problems prevent removal of ([^ :]+)", tried.stderr)) & names
        if not kept:
            return names
        names -= kept
    return names


def _absent(call: Call) -> dict[str, Any]:
    names = {entry["name"] if isinstance(entry, dict) else str(entry) for entry in call["packages"]}
    if call["ledger"]:
        names = _needed_by_none(call, _noted(call["ledger"]))
    gone = (" not-installed",) if call["purge"] else (" not-installed", " config-files")
    found = sorted(
        {package.name for package in dpkg.table() if package.name in names and not package.status.endswith(gone)}
    )
    if found and not call.check:
        with _frontend_lock(call["lock_timeout"]):
            completed = _dpkg(call, ["--purge" if call["purge"] else "--remove", *found])
        if completed.rc != 0:
            raise ModuleFailed(
                "packages could not be removed: %s" % completed.words(), rc=completed.rc, stdout=completed.stdout
            )
    diff = diffs.values([(name, "installed", "absent") for name in found], "packages") if call.diff else ""
    return {"changed": bool(found), "removed": found, "diff": diff}


def run(call: Call) -> dict[str, Any]:
    """Compare with dpkg's table, fetch, install."""
    if call["state"] == "absent":
        return _absent(call)
    missing, present, half_done = _to_install(call)
    if not call.check:
        policy_rc_d.remove_stale(POLICY)
    changes: list[tuple[str, object, object]] = []
    for wanted in missing:
        old = present.get((wanted["name"], wanted.get("architecture", "")))
        changes.append((wanted["name"], old.version if old is not None and old.version else None, wanted["version"]))
    result: dict[str, Any] = {
        "changed": bool(missing) or half_done,
        "installed": [wanted["name"] for wanted in missing],
        "diff": diffs.values(changes, "packages") if call.diff else "",
    }
    if call.check:
        return result
    if not result["changed"]:
        _tidy(call)  # what a run left that was cut off after dpkg's last word
        return result
    if call["ledger"]:
        new = [wanted["name"] for wanted, (_, old, _) in zip(missing, changes) if old is None]
        _note(call["ledger"], new)
    paths: list[str] = []
    for wanted in missing:
        # dpkg does not mind the name, people do
        path = artifacts.fetch(call, call["cache"], wanted)
        named = "%s.%s.deb" % (path, wanted["name"])
        with contextlib.suppress(FileNotFoundError):
            os.unlink(named)
        os.link(path, named)
        paths.append(named)
    try:
        with _frontend_lock(call["lock_timeout"]), policy_rc_d.answering(101, POLICY):
            _install(call, paths, half_done)
    finally:
        for path in paths:
            os.unlink(path)
    _tidy(call)
    return result


def _tidy(call: Call) -> None:
    """Drop the archives, also those that an earlier run fetched and had no time to drop."""
    if call["keep"]:
        return
    for wanted in call["packages"]:
        path = artifacts.cached_path(call["cache"], wanted)
        for each in (path, "%s.%s.deb" % (path, wanted["name"])):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(each)


def _install(call: Call, paths: list[str], half_done: bool) -> None:
    if half_done:
        _dpkg(call, ["--force-confdef", "--force-confold", "--configure", "--pending"])
    if not paths:
        return
    completed = None
    for _ in range(ATTEMPTS):
        completed = _dpkg(call, ["--force-confdef", "--force-confold", "--install", *paths])
        if completed.rc == 0:
            return
        left, _, _ = _to_install(call)
        if not left or "pre-dependency" not in completed.stderr:
            break
    assert completed is not None
    errors = [line for line in completed.stderr.splitlines() if line.strip()]
    raise ModuleFailed(
        "dpkg could not install the packages: %s" % "\n".join(errors[-20:]),
        rc=completed.rc,
        stdout=completed.stdout,
        stderr=completed.stderr,
    )
