"""package_facts: installed packages, as ansible_facts.packages {name: [{name, version, arch, source}]}."""

from __future__ import annotations

from typing import Any

from kprov.provision.agent import dpkg
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {"manager": Parameter("list")}


def run(call: Call) -> dict[str, Any]:
    """Read dpkg's table."""
    packages: dict[str, Any] = {}
    for package in dpkg.table():
        if package.installed:
            entry = {"name": package.name, "version": package.version, "arch": package.architecture, "source": "apt"}
            packages.setdefault(package.name, []).append(entry)
    return {"changed": False, "ansible_facts": {"packages": packages}}
