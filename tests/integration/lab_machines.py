"""What integration tests do with the lab's machines."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kprov.lab import lifecycle
from kprov.lab.disk import host_key
from kprov.lab.layout import Layout
from kprov.lab.login import ssh_command
from kprov.lab.state import LabState


@dataclass(frozen=True)
class LabMachines:
    """A lab that is up."""

    state: LabState
    layout: Layout
    inventory: Path

    def run(self, name: str, command: str, *, user: str = "root", check: bool = True) -> str:
        """Run a shell command on a machine by OpenSSH. Returns what it printed; fails with its errors."""
        line = ssh_command(self.state, self.layout.machine(name), user=user)
        done = subprocess.run([*line, command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0 or not check, f"{name}: {command}: {done.stderr}"
        return done.stdout

    def stop(self, *names: str) -> None:
        """Cut power."""
        lifecycle.stop(self.state, list(names))

    def burn_down(self, name: str) -> str:
        """Put a new machine, without anything on its disk, in the place of one. Returns its host key."""
        self.stop(name)
        folder, inventory = self.state.machine_folder(name), self.state.inventory()
        assert inventory is not None
        shutil.rmtree(folder)
        lifecycle.up(self.state, self.layout, inventory)
        return host_key(folder)

    def start(self, *names: str) -> None:
        """Turn on, and wait for sshd."""
        lifecycle.start(self.state, list(names))
