"""A lab of a rehearsal's own: bare machines, which may burn down."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from kprov.lab import lifecycle
from kprov.lab.disk import host_key
from kprov.lab.state import LabState
from machine_care.killed_run import KPROV


def kprov(*words: str) -> None:
    """A command that must end well. Raises: SystemExit, where it does not."""
    if subprocess.run([KPROV, *words], stdin=subprocess.DEVNULL).returncode:
        raise SystemExit(f"kprov {' '.join(words)} failed")


@dataclass(frozen=True)
class OwnLab:
    """A lab that is up.

    Attributes:
        state: where it is kept.
        inventory: of its machines, and not the lab's own: a new machine's key is not known to it.
    """

    state: LabState
    inventory: Path

    def burnt_down(self, name: str) -> str:
        """Take a machine away with its disk, and put a new one in its place. Returns its host key."""
        lifecycle.stop(self.state, [name])
        shutil.rmtree(self.state.machine_folder(name))
        lifecycle.up(self.state, self.state.layout(), self.inventory.with_name("lab.yaml"))
        return host_key(self.state.machine_folder(name))

    def pin(self, name: str, key: str) -> None:
        """Write a machine's host key into the inventory."""
        data = yaml.safe_load(self.inventory.read_text())
        data["all"]["hosts"][name]["kprov_host_key"] = key
        self.inventory.write_text(yaml.safe_dump(data, sort_keys=False))


@contextlib.contextmanager
def own_lab(name: str, subnet: str, folder: Path, *, control_planes: int, workers: int) -> Iterator[OwnLab]:
    """Machines without a cluster, taken down at the end.

    Args:
        name: the lab's.
        subnet: its addresses.
        folder: where its inventory is written.
        control_planes: how many machines of the control plane.
        workers: how many others.
    """
    numbers = ["--control-planes", str(control_planes), "--workers", str(workers)]
    try:
        kprov("lab", "up", "--lab", name, "--subnet", subnet, "--inventory", str(folder / "lab.yaml"), *numbers)
        shutil.copy(folder / "lab.yaml", folder / "inventory.yaml")
        yield OwnLab(LabState(name), folder / "inventory.yaml")
    finally:
        kprov("lab", "down", "--lab", name)
