"""package_facts: which packages are installed.

Parameters:
    manager: what is asked; only apt is there.
    strategy: whether the first that answers is enough, or all are asked; with one it is the same.

Returns:
    ansible_facts: packages, a mapping from name to a list of {name, version, arch, source}.
"""

from __future__ import annotations

from typing import Any

from kprov.provision.agent import dpkg
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "manager": Parameter("list", default=["auto"], choices=("apt", "auto"), elements="str"),
    "strategy": Parameter("str", default="first", choices=("all", "first")),
}


def run(call: Call) -> dict[str, Any]:
    """Read dpkg's table."""
    packages: dict[str, Any] = {}
    for package in dpkg.table(call.system_path("/var/lib/dpkg/status")):
        if package.installed:
            entry = {"name": package.name, "version": package.version, "arch": package.architecture, "source": "apt"}
            packages.setdefault(package.name, []).append(entry)
    return {"changed": False, "ansible_facts": {"packages": packages}}
