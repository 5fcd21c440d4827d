"""group: a group exists, or does not. Parameters: name, state (present, absent), gid, system."""

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
}


def run(call: Call) -> dict[str, Any]:
    """Compare, then change."""
    name = call["name"]
    try:
        entry: grp.struct_group | None = grp.getgrnam(name)
    except KeyError:
        entry = None
    changes: list[tuple[str, object, object]] = []
    command: list[str] = []
    if call["state"] == "absent":
        if entry is not None:
            changes.append(("group " + name, "present", None))
            command = ["groupdel", name]
    elif entry is None:
        changes.append(("group " + name, None, "present"))
        command = ["groupadd", *(["--system"] if call["system"] else [])]
        command += ["--gid", str(call["gid"])] if call["gid"] is not None else []
        command.append(name)
    elif call["gid"] is not None and call["gid"] != entry.gr_gid:
        changes.append(("gid", entry.gr_gid, call["gid"]))
        command = ["groupmod", "--gid", str(call["gid"]), name]
    if command and not call.check:
        call.run(command)
    return {"changed": bool(changes), "name": name, "diff": diffs.values(changes, "/etc/group") if call.diff else ""}
