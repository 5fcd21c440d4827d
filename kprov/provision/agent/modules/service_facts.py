"""service_facts: every service of the machine.

Returns:
    ansible_facts: services, a mapping from name to {name, state, status, source}.
"""

from __future__ import annotations

from typing import Any

from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

PARAMETERS: dict[str, Parameter] = {}


def run(call: Call) -> dict[str, Any]:
    """Ask systemd."""
    services: dict[str, Any] = {}
    files = call.run(["systemctl", "list-unit-files", "--type=service", "--no-pager", "--no-legend", "--plain"])
    for line in files.stdout.splitlines():
        parts = line.split()
        if len(parts) >= 2:
            services[parts[0]] = {"name": parts[0], "state": "inactive", "status": parts[1], "source": "systemd"}
    units = call.run(["systemctl", "list-units", "--type=service", "--all", "--no-pager", "--no-legend", "--plain"])
    for line in units.stdout.splitlines():
        parts = line.split()
        if len(parts) >= 4 and parts[1] != "not-found":
            entry = services.setdefault(parts[0], {"name": parts[0], "status": "unknown", "source": "systemd"})
            entry["state"] = "running" if parts[3] == "running" else ("failed" if parts[2] == "failed" else "stopped")
    return {"changed": False, "ansible_facts": {"services": services}}
