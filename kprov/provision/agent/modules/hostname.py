"""hostname: the machine's name, now and after a restart.

Parameters:
    name: the name.
    use: how it is kept; the file /etc/hostname is always what counts.

Returns:
    name: the name.
    ansible_facts: ansible_hostname, ansible_nodename, ansible_fqdn and ansible_domain.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.call import Call
from kprov.provision.agent.edits import read_text
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("str", required=True),
    "use": Parameter("str", choices=("debian", "systemd")),
}


def run(call: Call) -> dict[str, Any]:
    """Compare, then set."""
    name = call["name"]
    changes: list[tuple[str, object, object]] = []
    now = socket.gethostname()
    if now != name:
        changes.append(("hostname", now, name))
        if not call.check:
            socket.sethostname(name)
    path = call.system_path("/etc/hostname")
    static = (read_text(path) or "").strip()
    if static != name:
        changes.append(("/etc/hostname", static or None, name))
        if not call.check:
            atomic.write(path, (name + "\n").encode(), Wanted({"mode": "0644"}))
            if os.path.exists(call.system_path("/run/systemd/system")):
                # tells those who listen; the file is what counts
                call.run(["hostnamectl", "hostname", name], succeed=False)
    short, _, domain = name.partition(".")
    return {
        "changed": bool(changes),
        "name": name,
        "ansible_facts": {
            "ansible_hostname": short,
            "ansible_nodename": name,
            "ansible_fqdn": name if domain else socket.getfqdn(),
            "ansible_domain": domain,
        },
        "diff": diffs.values(changes, "hostname") if call.diff else "",
    }
