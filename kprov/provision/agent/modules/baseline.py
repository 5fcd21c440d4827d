"""baseline: what a machine was like is noted before it is changed, and brought back when asked for (kprov's own).

Each path, setting, account and unit is noted once: the first time that it is asked for. A machine that kprov changed
before it noted anything is taken for one that had none of it; its packages then stay.

Parameters:
    state: noted, or restored.
    dest: the folder that it is noted in.
    paths: files and folders that will be written. A file is kept with its content; of a folder it is kept whether it
        was there, and whether something was in it: one that was empty is emptied, another keeps what is in it.
    sysctls: names of kernel settings.
    users: names of users, with groups of the same name, that packages make.
    units: systemd units of packages.
    after: a path that is there once kprov has been at work.

Returns:
    restored: what was brought back.
"""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import shutil
import stat
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "state": Parameter("str", default="noted", choices=("noted", "restored")),
    "dest": Parameter("path", default="/var/lib/kprov/baseline"),
    "paths": Parameter("list", default=[], elements="str"),
    "sysctls": Parameter("list", default=[], elements="str"),
    "users": Parameter("list", default=[], elements="str"),
    "units": Parameter("list", default=[], elements="str"),
    "after": Parameter("path", default="/opt/kprov/current"),
}

Notes = dict[str, dict[str, Any]]
Changes = list[tuple[str, object, object]]
_PARTS = ("paths", "sysctls", "users", "units")


def _read(call: Call) -> Notes:
    try:
        with open(os.path.join(call["dest"], "notes.json")) as stream:
            found: Notes = json.load(stream)
            return found
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ModuleFailed("%s/notes.json is damaged: %s" % (call["dest"], error)) from None


def _write(call: Call, notes: Notes) -> None:
    os.makedirs(call["dest"], mode=0o700, exist_ok=True)
    wanted = Wanted({"mode": "0600", "owner": None, "group": None}, False)
    atomic.write(os.path.join(call["dest"], "notes.json"), json.dumps(notes, indent=1, sort_keys=True).encode(), wanted)


def _path(path: str) -> Any:
    """A path as it is now: None, or its kind, mode, owner and, of a file, its content."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(status.st_mode):
        return {"kind": "link", "target": os.readlink(path)}
    found: dict[str, Any] = {"kind": "special", "mode": stat.S_IMODE(status.st_mode)}
    found.update(uid=status.st_uid, gid=status.st_gid)
    if stat.S_ISDIR(status.st_mode):
        found.update(kind="directory", empty=not os.listdir(path))
    elif stat.S_ISREG(status.st_mode):
        with open(path, "rb") as stream:
            found.update(kind="file", content=base64.b64encode(stream.read()).decode())
    return found


def _sysctl_file(call: Call, name: str) -> str:
    return call.system_path("/proc/sys/" + name.replace(".", "/"))


def _sysctl(call: Call, name: str) -> Any:
    try:
        with open(_sysctl_file(call, name)) as stream:
            return stream.read().strip()
    except OSError:
        return None


def _user(name: str) -> dict[str, bool]:
    there = {}
    for kind, look in (("user", pwd.getpwnam), ("group", grp.getgrnam)):
        try:
            look(name)
            there[kind] = True
        except KeyError:
            there[kind] = False
    return there


def _unit(call: Call, name: str) -> dict[str, str]:
    enabled = call.run(["systemctl", "is-enabled", name], succeed=False).stdout.strip()
    active = call.run(["systemctl", "is-active", name], succeed=False).stdout.strip()
    return {"enabled": enabled, "active": active}


def _now(call: Call, part: str, name: str) -> Any:
    if part == "paths":
        return _path(name)
    if part == "sysctls":
        return _sysctl(call, name)
    return _user(name) if part == "users" else _unit(call, name)


def _nothing(call: Call, part: str, name: str) -> Any:
    """How it is taken to have been on a machine that had been changed before anything was noted."""
    if part == "users":
        return {"user": False, "group": False}
    return _sysctl(call, name) if part == "sysctls" else None


def _note(call: Call) -> dict[str, Any]:
    notes = _read(call)
    late = not notes and os.path.lexists(call["after"])
    new = [(part, name) for part in _PARTS for name in call[part] if name not in notes.get(part, {})]
    if new and not call.check:
        for part, name in new:
            notes.setdefault(part, {})[name] = _nothing(call, part, name) if late else _now(call, part, name)
        _write(call, notes)
    diff = diffs.values([("noted", None, len(new))], call["dest"]) if call.diff and new else ""
    return {"changed": bool(new), "diff": diff}


def _restore_path(call: Call, path: str, was: Any) -> bool:
    now = _path(path)
    if was is None:
        if now is not None and not call.check:
            _remove(path, now["kind"])
        return now is not None
    if now == was or was["kind"] not in ("file", "directory"):
        return False
    if was["kind"] == "directory":
        return _restore_folder(call, path, was, now)
    if not call.check:
        if now is not None and now["kind"] != "file":
            _remove(path, now["kind"])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        wanted = Wanted({"mode": "%04o" % was["mode"], "owner": str(was["uid"]), "group": str(was["gid"])}, False)
        atomic.write(path, base64.b64decode(was["content"]), wanted)
    return True


def _restore_folder(call: Call, path: str, was: dict[str, Any], now: Any) -> bool:
    if now is None or now["kind"] != "directory":
        return False  # somebody took it away on purpose
    same = all(now[key] == was[key] for key in ("mode", "uid", "gid"))
    if same and not (was.get("empty") and not now.get("empty")):
        return False
    if not call.check:
        if was.get("empty"):
            for name in os.listdir(path):
                below = os.path.join(path, name)
                found = _path(below)
                if found is not None:
                    _remove(below, found["kind"])
        os.chown(path, was["uid"], was["gid"])
        os.chmod(path, was["mode"])
    return True


def _remove(path: str, kind: str) -> None:
    try:
        if kind == "directory":
            with open("/proc/self/mountinfo") as stream:
                mounted = [line.split()[4] for line in stream]
            inside = [each for each in mounted if each == path or each.startswith(path + "/")]
            if inside:
                raise ModuleFailed("%s is not removed, since %s is mounted: unmount it" % (path, inside[0]))
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except OSError as error:
        raise ModuleFailed("%s cannot be removed: %s" % (error.filename or path, error.strerror)) from None


def _restore_sysctl(call: Call, name: str, was: Any) -> bool:
    if was is None or _sysctl(call, name) in (None, was):
        return False
    if not call.check:
        try:
            with open(_sysctl_file(call, name), "w") as stream:
                stream.write(was + "\n")
        except OSError as error:
            raise ModuleFailed("%s can't be set to %s again: %s" % (name, was, error.strerror)) from None
    return True


def _restore_user(call: Call, name: str, was: dict[str, bool]) -> bool:
    now, changed = _user(name), False
    for kind, program in (("user", "userdel"), ("group", "groupdel")):
        if now[kind] and not was[kind]:
            changed = True
            if not call.check and _user(name)[kind]:  # a user takes a group of its name along
                call.run([program, name])
    return changed


def _restore_unit(call: Call, name: str, was: Any) -> bool:
    if not was or was["enabled"] not in ("enabled", "disabled"):
        return False
    now, changed = _unit(call, name), False
    for key, verbs in (("enabled", {"enabled": "enable", "disabled": "disable"}), ("active", {"active": "restart"})):
        verb = verbs.get(was[key])
        if verb and (now[key] != was[key] or verb == "restart"):
            changed = changed or now[key] != was[key]
            if not call.check:
                call.run(["systemctl", verb, name])
    return changed


def run(call: Call) -> dict[str, Any]:
    """Note what is not noted yet, or bring everything back."""
    if call["state"] == "noted":
        return _note(call)
    notes, restored = _read(call), list[str]()
    # What lies in a folder that goes, too, is gone with it: the outermost first.
    for path, was in sorted(notes.get("paths", {}).items()):
        if _restore_path(call, path, was):
            restored.append(path)
    restored += [name for name, was in notes.get("sysctls", {}).items() if _restore_sysctl(call, name, was)]
    restored += [name for name, was in notes.get("users", {}).items() if _restore_user(call, name, was)]
    restored += [name for name, was in notes.get("units", {}).items() if _restore_unit(call, name, was)]
    diff = diffs.values([(name, "kprov's", "as it was") for name in restored], "baseline") if call.diff else ""
    return {"changed": bool(restored), "restored": restored, "diff": diff}
