"""A whole lab's life: up, down."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kprov.debian.host_packages import install_missing
from kprov.debian.mirrors import KEYRING
from kprov.lab import power
from kprov.lab.cgroups import groups_of
from kprov.lab.disk import make_disk, ssh_key_pair
from kprov.lab.errors import LabError
from kprov.lab.inventory_file import write_inventory
from kprov.lab.layout import Layout
from kprov.lab.network import raise_bridge, refuse_taken_subnet, remove_bridge
from kprov.lab.readiness import wait_until_ready
from kprov.lab.root_tree import root_tree
from kprov.lab.state import LabState

_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "mkfs.ext4": "e2fsprogs",
    str(KEYRING): "debian-archive-keyring",
}

Say = Callable[[str], None]


def up(
    state: LabState, wanted: Layout, inventory: Path, *, say: Say = lambda _: None, deadline: float = 90.0
) -> Layout:
    """Make every machine of a lab and wait until each lets users in. What stands already stays as it is.

    Args:
        state: where the lab is kept.
        wanted: the machines.
        inventory: the file to write for them.
        say: told of each step.
        deadline: seconds for the machines to boot.

    Raises LabError; what was made so far is continued by the next ``up`` or removed by ``down``.
    """
    install_missing(_PROGRAMS, say=say)
    with state.locked():
        present = state.load()
        if present and present != wanted:
            raise LabError("another lab is up under this name, with other machines; end it with: kprov lab down")
        if present is None:
            refuse_taken_subnet(wanted)
        state.save(wanted, inventory.absolute())
        releases = sorted({machine.release for machine in wanted.machines})
        with ThreadPoolExecutor(max_workers=2) as pool:
            trees = dict(zip(releases, pool.map(lambda number: root_tree(number, say=say), releases), strict=True))
        public_key = ssh_key_pair(state.key, f"kprov-{state.folder.name}")
        raise_bridge(wanted)
        for machine in wanted.machines:
            folder = state.machine_folder(machine.name)
            make_disk(folder, trees[machine.release], wanted, machine, public_key)
            if power.power_on(state, machine.name):
                say(f"starting {machine.name} (Debian {machine.release}, {machine.address})")
        write_inventory(inventory, state, wanted)
        wait_until_ready(state, wanted.machines, deadline=deadline)
    return wanted


def start(state: LabState, names: list[str], *, deadline: float = 90.0) -> None:
    """Turn machines on and wait until they let users in."""
    with state.locked():
        layout = state.layout()
        machines = [layout.machine(name) for name in names]
        raise_bridge(layout)
        for machine in machines:
            power.power_on(state, machine.name)
    wait_until_ready(state, machines, deadline=deadline)


def stop(state: LabState, names: list[str]) -> None:
    """Cut machines' power."""
    with state.locked():
        layout = state.layout()
        for machine in [layout.machine(name) for name in names]:
            power.cut_power(state, layout, machine.name)


def down(state: LabState) -> bool:
    """Remove a lab whole: processes, cgroups, links, mounts, files. Returns whether there was anything.

    Works on whatever is left, also of an ``up`` that was killed half-way, and may be run again.
    """
    with state.locked():
        layout = state.load()
        there = state.folder.exists()
        names = [path.name for path in (state.folder / "machines").glob("*/")]
        for name in names:
            power.cut_power(state, layout or Layout(state.name), name)
        for group in groups_of(state.folder.name):
            group.remove()
            there = True
        if shutil.which("nft") and shutil.which("ip"):
            remove_bridge(layout or Layout(state.name))
        _unmount_below(state.folder)
        inventory = state.inventory()
        if inventory:
            inventory.unlink(missing_ok=True)
        if state.folder.exists():
            shutil.rmtree(state.folder)
    return there


def _unmount_below(folder: Path) -> None:
    """Unmount what somebody mounted in a lab's folder: removing files must never reach through a mount."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            done = subprocess.run(["umount", point], capture_output=True, text=True)
            if done.returncode != 0:
                raise LabError(f"cannot unmount {point}: {done.stderr.strip()}")
