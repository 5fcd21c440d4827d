"""user: an account exists as described, or does not.

Parameters:
    name: the account.
    state: whether it must be there.
    uid: its number.
    non_unique: its number may be another account's.
    group: its main group.
    groups: the further groups that it is in, and no others; none: `[]`.
    append: it may be in others besides.
    home: its home.
    create_home: make the home with the account, or when it is missing.
    move_home: a home that is elsewhere is moved.
    skeleton: the folder that a new home is filled from.
    umask: of a new home.
    authorization: of Solaris; means nothing on Linux.
    hidden: of macOS; means nothing on Linux.
    login_class: of the BSDs; means nothing on Linux.
    profile: of Solaris; means nothing on Linux.
    role: of Solaris; means nothing on Linux.
    seuser: of SELinux; kprov gives users none.
    shell: its shell.
    comment: its full name.
    system: with a number of those for the system's own accounts, when it is made.
    password: the hash of its password, as crypt makes it.
    update_password: set the password always, or only when the account is made.
    password_lock: its password must not be usable, or must be.
    password_expire_max: days that a password is good.
    password_expire_min: days until a password may be changed.
    password_expire_warn: days of warning before it ends.
    password_expire_account_disable: days after its end until the account ends.
    expires: when the account ends, in seconds since 1970; negative: never.
    generate_ssh_key: make an SSH key if there is none.
    ssh_key_type: the kind of key.
    ssh_key_bits: its length.
    ssh_key_comment: its comment.
    ssh_key_file: where it lies, from the home.
    ssh_key_passphrase: its passphrase.
    remove: with state=absent, the home and mail, too.
    force: with state=absent, even if it is logged in.
    local: use the programs that only know the machine's own files.

Returns:
    name: the account.
    state: whether it is there.
    uid: its number.
    group: its main group's number.
    home: its home.
    shell: its shell.
    comment: its full name.
    ssh_key_file: the key's path.
    ssh_public_key: the key's public half.
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
from kprov.provision.agent.user_files import make_home, make_ssh_key

# What users have on other systems. As in Ansible these mean nothing on Linux.
ELSEWHERE = ("authorization", "hidden", "login_class", "profile", "role", "seuser")

PARAMETERS = {
    "name": Parameter("str", required=True, aliases=("user",)),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "uid": Parameter("int"),
    "non_unique": Parameter("bool", default=False),
    "group": Parameter("str"),
    "groups": Parameter("list", elements="str"),
    "append": Parameter("bool", default=False),
    "home": Parameter("path"),
    "create_home": Parameter("bool", default=True, aliases=("createhome",)),
    "move_home": Parameter("bool", default=False),
    "skeleton": Parameter("str"),
    "umask": Parameter("str"),
    **{name: Parameter("str") for name in ELSEWHERE},
    "shell": Parameter("path"),
    "comment": Parameter("str"),
    "system": Parameter("bool", default=False),
    "password": Parameter("str", secret=True),
    "update_password": Parameter("str", default="always", choices=("always", "on_create")),
    "password_lock": Parameter("bool"),
    "password_expire_max": Parameter("int"),
    "password_expire_min": Parameter("int"),
    "password_expire_warn": Parameter("int"),
    "password_expire_account_disable": Parameter("int"),
    "expires": Parameter("float"),
    "generate_ssh_key": Parameter("bool", default=False),
    "ssh_key_type": Parameter("str", default="rsa"),
    "ssh_key_bits": Parameter("int"),
    "ssh_key_comment": Parameter("str"),
    "ssh_key_file": Parameter("path", default=".ssh/id_rsa"),
    "ssh_key_passphrase": Parameter("str", secret=True),
    "remove": Parameter("bool", default=False),
    "force": Parameter("bool", default=False),
    "local": Parameter("bool", default=False),
}

Changes = list[tuple[str, object, object]]

# chage's option for each of the days of /etc/shadow, and the field.
_DAYS = (
    ("password_expire_min", "--mindays", 3),
    ("password_expire_max", "--maxdays", 4),
    ("password_expire_warn", "--warndays", 5),
    ("password_expire_account_disable", "--inactive", 6),
)


def entry_of(name: str) -> pwd.struct_passwd | None:
    """An account, None where there is none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _supplementary(name: str, main: int) -> set[str]:
    return {group.gr_name for group in grp.getgrall() if name in group.gr_mem and group.gr_gid != main}


def _shadow(call: Call, name: str) -> list[str]:
    """The account's row of /etc/shadow: name, hash, last change, days..."""
    try:
        with open(call.system_path("/etc/shadow")) as stream:
            for line in stream:
                fields = line.rstrip("\n").split(":")
                if fields[0] == name:
                    return fields
    except OSError:
        pass
    return [name, *[""] * 8]


def _expiry(call: Call) -> str:
    """The day on which the account ends, as programs take it."""
    return "" if call["expires"] < 0 else str(int(call["expires"]) // 86400)


def _absent(call: Call, entry: pwd.struct_passwd | None) -> dict[str, Any]:
    result = {"changed": entry is not None, "name": call["name"], "state": "absent", "diff": ""}
    if entry is None:
        return result
    if not call.check:
        program = "luserdel" if call["local"] else "userdel"
        options = [*(["-r"] if call["remove"] else []), *(["-f"] if call["force"] and not call["local"] else [])]
        call.run([program, *options, call["name"]])
    result.update(force=call["force"], remove=call["remove"])
    if call.diff:
        result["diff"] = diffs.values([("user " + call["name"], "present", "absent")], "/etc/passwd")
    return result


def _make(call: Call) -> list[str]:
    """The command that makes the account."""
    command = ["luseradd" if call["local"] else "useradd"]
    if call["system"]:
        command.append("-r")
    if call["group"] is not None:
        command += ["-g", call["group"]]
    elif entry_group(call["name"]):
        command.append("-N")  # its group is there already
    if call["groups"]:
        command += ["-G", ",".join(call["groups"])]
    for option, name in (("-u", "uid"), ("-d", "home"), ("-s", "shell"), ("-c", "comment"), ("-k", "skeleton")):
        if call[name] is not None and (name != "skeleton" or call["create_home"]):
            command += [option, str(call[name])]
    if call["non_unique"]:
        command.append("-o")
    if call["umask"] is not None:
        command += ["-K", "UMASK=" + call["umask"]]
    if call["expires"] is not None:
        command += ["-e", _expiry(call)]
    if call["password"] is not None:
        command += ["-p", ("!" if call["password_lock"] else "") + call["password"]]
    command.append("-m" if call["create_home"] else "-M")
    return [*command, call["name"]]


def entry_group(name: str) -> bool:
    """Whether there is a group of this name."""
    return group_id(name) is not None and not name.isdigit()


def _modify(call: Call, entry: pwd.struct_passwd) -> tuple[list[str], Changes]:
    """What usermod must be told of an account that is there."""
    command: list[str] = []
    changes: Changes = []
    for option, parameter, now in (
        ("-u", "uid", entry.pw_uid), ("-d", "home", entry.pw_dir),
        ("-s", "shell", entry.pw_shell), ("-c", "comment", entry.pw_gecos),
    ):  # fmt: skip
        if call[parameter] is not None and call[parameter] != now:
            changes.append((parameter, now, call[parameter]))
            command += [option, str(call[parameter])]
            if parameter == "home" and call["move_home"]:
                command.append("-m")
            if parameter == "uid" and call["non_unique"]:
                command.append("-o")
    if call["group"] is not None:
        wanted = group_id(call["group"])
        if wanted is None and not call.check:
            raise ModuleFailed("there is no group '%s' on this machine" % call["group"])
        if wanted != entry.pw_gid:
            changes.append(("group", group_name(entry.pw_gid), call["group"]))
            command += ["-g", call["group"]]
    if call["groups"] is not None:
        have = _supplementary(call["name"], entry.pw_gid)
        want = {group_name(int(name)) if name.isdigit() else name for name in call["groups"]}
        want = have | want if call["append"] else want
        want.discard(group_name(entry.pw_gid) if call["group"] is None else call["group"])
        if want != have:
            changes.append(("groups", ",".join(sorted(have)), ",".join(sorted(want))))
            command += ["-G", ",".join(sorted(want))]
    return command, changes


def _secrets(call: Call, shadow: list[str]) -> tuple[list[str], Changes]:
    """What usermod must be told of an account's password and end."""
    command: list[str] = []
    changes: Changes = []
    hashed, locked = shadow[1].lstrip("!"), shadow[1].startswith("!")
    new, lock = call["password"], call["password_lock"]
    if new is not None and call["update_password"] != "on_create" and new.lstrip("!") != hashed:  # noqa: S105
        changes.append(("password", "(the old one)", "(a new one)"))
        command += ["-p", ("!" if lock or (lock is None and locked) else "") + new]
    elif lock is True and not locked:
        changes.append(("password_lock", False, True))
        command.append("-L")
    elif lock is False and locked and hashed:
        changes.append(("password_lock", True, False))
        command.append("-U")
    if call["expires"] is not None and shadow[7] != _expiry(call):
        changes.append(("expires", shadow[7] or "never", _expiry(call) or "never"))
        command += ["-e", _expiry(call)]
    return command, changes


def _days(call: Call, shadow: list[str]) -> tuple[list[str], Changes]:
    command: list[str] = []
    changes: Changes = []
    for name, option, field in _DAYS:
        if call[name] is not None and shadow[field] != str(call[name]):
            changes.append((name, shadow[field] or None, call[name]))
            command += [option, str(call[name])]
    return command, changes


def run(call: Call) -> dict[str, Any]:
    """Compare, then change."""
    name, entry = call["name"], entry_of(call["name"])
    if call["state"] == "absent":
        return _absent(call, entry)
    changes: Changes = []
    if entry is None:
        changes.append(("user " + name, None, "present"))
        if not call.check:
            call.run(_make(call))
            entry = entry_of(name)
            if call["password_lock"] and call["password"] is None:
                call.run(["usermod", "-L", name])
    else:
        shadow = _shadow(call, name)
        command, changes = _modify(call, entry)
        more, secrets = _secrets(call, shadow)
        changes += secrets
        if (command or more) and not call.check:
            call.run(["lusermod" if call["local"] else "usermod", *command, *more, name])
        changes += make_home(call, entry)
    days, aged = _days(call, _shadow(call, name))
    if days:
        changes += aged
        if not call.check:
            call.run(["chage", *days, name])
    result: dict[str, Any] = {"name": name, "state": "present"}
    if call["generate_ssh_key"]:
        told, made = make_ssh_key(call, entry)
        result.update(told)
        changes += made
    if entry is not None:
        now = entry if call.check else (entry_of(name) or entry)
        result.update(uid=now.pw_uid, group=now.pw_gid, home=now.pw_dir, shell=now.pw_shell, comment=now.pw_gecos)
    result.update(changed=bool(changes), append=call["append"], move_home=call["move_home"])
    if call["groups"] is not None:
        result["groups"] = ",".join(call["groups"])
    if call["password"] is not None:
        result["password"] = "NOT_LOGGING_PASSWORD"  # noqa: S105 - says that there is one
    result["diff"] = diffs.values(changes, "/etc/passwd") if call.diff else ""
    return result
