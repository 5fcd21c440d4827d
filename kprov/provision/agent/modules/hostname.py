"""hostname: the machine's name, now and after a restart. Parameter: name."""

from __future__ import annotations

import os
import socket
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {"name": Parameter("str", required=True)}


def run(call: Call) -> dict[str, Any]:
    """Compare, then set."""
    name = call["name"]
    changes: list[tuple[str, object, object]] = []
    now = socket.gethostname()
    if now != name:
        changes.append(("hostname", now, name))
        if not call.check:
            socket.sethostname(name)
    try:
        with open("/etc/hostname") as stream:
            static = stream.read().strip()
    except FileNotFoundError:
        static = ""
    if static != name:
        changes.append(("/etc/hostname", static or None, name))
        if not call.check:
            atomic.write("/etc/hostname", (name + "\n").encode(), Wanted({"mode": "0644"}))
            if os.path.exists("/run/systemd/system"):
                call.run(
                    ["hostnamectl", "hostname", name], succeed=False
                )  # tells those who listen; the file is what counts
    return {"changed": bool(changes), "name": name, "diff": diffs.values(changes, "hostname") if call.diff else ""}
