"""user: an account exists as described, or does not.

Parameters:
    name, state (present, absent), uid, group (primary), groups (supplementary; append), home, create_home, shell,
    system, comment,
    password_lock, remove (the home, with state=absent).
"""

from __future__ import annotations

import grp
import pwd
from typing import Any

from kprov.provision.agent import diffs
from kprov.provision.agent.attributes import group_id, group_name
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", required=True, aliases=("user",)),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "uid": Parameter("int"),
    "group": Parameter("str"),
    "groups": Parameter("list"),
    "append": Parameter("bool", default=False),
    "home": Parameter("path"),
    "create_home": Parameter("bool", default=True, aliases=("createhome",)),
    "shell": Parameter("path"),
    "system": Parameter("bool", default=False),
    "comment": Parameter("str"),
    "password_lock": Parameter("bool"),
    "remove": Parameter("bool", default=False),
}


def _supplementary(name: str) -> set[str]:
    return {group.gr_name for group in grp.getgrall() if name in group.gr_mem}


def _absent(call: Call, entry: pwd.struct_passwd | None) -> dict[str, Any]:
    if entry is None:
        return {"changed": False, "name": call["name"], "state": "absent"}
    if not call.check:
        call.run(["userdel", *(["--remove"] if call["remove"] else []), call["name"]])
    diff = diffs.values([("user " + call["name"], "present", "absent")], "/etc/passwd") if call.diff else ""
    return {"changed": True, "name": call["name"], "state": "absent", "diff": diff}


def _make(call: Call) -> list[str]:
    command = ["useradd"]
    if call["system"]:
        command.append("--system")
    command.append("--create-home" if call["create_home"] and not call["system"] else "--no-create-home")
    if call["group"] is not None:
        command += ["--gid", call["group"]]
    elif call["system"]:
        command.append("--user-group")
    if call["groups"]:
        command += ["--groups", ",".join(call["groups"])]
    for option, name in (("--uid", "uid"), ("--home-dir", "home"), ("--shell", "shell"), ("--comment", "comment")):
        if call[name] is not None:
            command += [option, str(call[name])]
    return [*command, call["name"]]


def run(call: Call) -> dict[str, Any]:
    """Compare, then change."""
    name = call["name"]
    try:
        entry: pwd.struct_passwd | None = pwd.getpwnam(name)
    except KeyError:
        entry = None
    if call["state"] == "absent":
        return _absent(call, entry)
    changes: list[tuple[str, object, object]] = []
    if entry is None:
        changes.append(("user " + name, None, "present"))
        if not call.check:
            call.run(_make(call))
            entry = pwd.getpwnam(name)
    else:
        command: list[str] = []
        for option, parameter, now in (
            ("--uid", "uid", entry.pw_uid),
            ("--home", "home", entry.pw_dir),
            ("--shell", "shell", entry.pw_shell),
            ("--comment", "comment", entry.pw_gecos),
        ):
            if call[parameter] is not None and call[parameter] != now:
                changes.append((parameter, now, call[parameter]))
                command += [option, str(call[parameter])]
        if call["group"] is not None:
            wanted = group_id(call["group"])
            if wanted is None and not call.check:
                raise ModuleFailed("there is no group '%s' on this machine" % call["group"])
            if wanted != entry.pw_gid:
                changes.append(("group", group_name(entry.pw_gid), call["group"]))
                command += ["--gid", call["group"]]
        if call["groups"] is not None:
            have, want = _supplementary(name), set(call["groups"])
            want = have | want if call["append"] else want
            if want != have:
                changes.append(("groups", ",".join(sorted(have)), ",".join(sorted(want))))
                command += ["--groups", ",".join(sorted(want))]
        if command and not call.check:
            call.run(["usermod", *command, name])
    if call["password_lock"] is not None and entry is not None:
        status = call.run(["passwd", "--status", name]).stdout.split()
        locked = len(status) > 1 and status[1].startswith("L")
        if locked != call["password_lock"]:
            changes.append(("password_lock", locked, call["password_lock"]))
            if not call.check:
                call.run(["usermod", "--lock" if call["password_lock"] else "--unlock", name])
    result: dict[str, Any] = {"changed": bool(changes), "name": name, "state": "present"}
    if call.diff:
        result["diff"] = diffs.values(changes, "/etc/passwd")
    if entry is not None:
        result.update(uid=entry.pw_uid, group=entry.pw_gid, home=entry.pw_dir, shell=entry.pw_shell)
    return result
