"""group: a group exists, or does not.

Parameters:
    name: the group.
    state: whether it must be there.
    gid: its number.
    system: with a number of those for the system's own groups, when it is made.
    non_unique: its number may be another group's.
    force: it is removed even if it is a user's main group.
    local: use the programs that only know the machine's own files.

Returns:
    name: the group.
    gid: its number.
    state: whether it is there.
    system: whether it was asked to be the system's.
"""

from __future__ import annotations

import grp
from typing import Any

from kprov.provision.agent import diffs
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", required=True),
    "state": Parameter("str", default="present", choices=("present", "absent")),
    "gid": Parameter("int"),
    "system": Parameter("bool", default=False),
    "non_unique": Parameter("bool", default=False),
    "force": Parameter("bool", default=False),
    "local": Parameter("bool", default=False),
}
REQUIRED_IF = [("non_unique", True, ("gid",))]


def entry_of(name: str) -> grp.struct_group | None:
    """A group, None where there is none."""
    try:
        return grp.getgrnam(name)
    except KeyError:
        return None


def run(call: Call) -> dict[str, Any]:
    """Compare, then change."""
    name, entry = call["name"], entry_of(call["name"])
    prefix = "l" if call["local"] else ""
    number = ["--gid", str(call["gid"])] if call["gid"] is not None else []
    number += ["--non-unique"] if call["non_unique"] and not call["local"] else []
    changes: list[tuple[str, object, object]] = []
    command: list[str] = []
    if call["state"] == "absent":
        if entry is not None:
            changes.append(("group " + name, "present", None))
            command = [prefix + "groupdel", *(["--force"] if call["force"] and not call["local"] else []), name]
    elif entry is None:
        changes.append(("group " + name, None, "present"))
        command = [
            prefix + "groupadd",
            *(["--system" if not prefix else "-r"] if call["system"] else []),
            *number,
            name,
        ]
    elif call["gid"] is not None and call["gid"] != entry.gr_gid:
        changes.append(("gid", entry.gr_gid, call["gid"]))
        command = [prefix + "groupmod", *number, name]
    if command and not call.check:
        call.run(command)
        entry = entry_of(name)
    result: dict[str, Any] = {"changed": bool(changes), "name": name, "state": call["state"]}
    if call["state"] == "present":
        result.update(system=call["system"], gid=entry.gr_gid if entry is not None else call["gid"])
    result["diff"] = diffs.values(changes, "/etc/group") if call.diff else ""
    return result
