"""The inventory of a lab: written for kprov, read by Ansible too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

from kprov.lab.disk import host_key
from kprov.lab.layout import DEFAULT_NAME, Layout
from kprov.lab.state import LabState


def _kprov(verb: str, layout: Layout, name: str) -> str:
    """The command line that turns a machine's power off or on, from any folder and shell."""
    option = [] if layout.name == DEFAULT_NAME else ["--lab", layout.name]
    return " ".join([str(Path(sys.executable).with_name("kprov")), "lab", verb, *option, name])


def inventory_of(state: LabState, layout: Layout) -> dict[str, object]:
    """The inventory as plain data. The machines must have their disks: their host keys are pinned."""
    hosts = {
        machine.name: {
            "ansible_host": machine.address,
            "kprov_host_key": host_key(state.machine_folder(machine.name)),
            "kprov_power_off_command": _kprov("stop", layout, machine.name),
            "kprov_power_on_command": _kprov("start", layout, machine.name),
        }
        for machine in layout.machines
    }
    groups: dict[str, dict[str, dict[str, object]]] = {
        group: {"hosts": {machine.name: {} for machine in layout.machines if group in machine.groups}}
        for group in ("etcd", "control_plane", "node")
    }
    variables = {
        "cluster_name": layout.name,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(state.key),
    }
    if layout.api_virtual_address:
        variables["api_virtual_address"] = layout.api_virtual_address
    return {"all": {"vars": variables, "hosts": hosts, "children": groups}}


def write_inventory(path: Path, state: LabState, layout: Layout) -> None:
    """Write the inventory file, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"# The lab {layout.name!r}, written by `kprov lab up`: changes are lost at the next one.\n"
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(head + yaml.safe_dump(inventory_of(state, layout), sort_keys=False, width=1000))
    partial.replace(path)
