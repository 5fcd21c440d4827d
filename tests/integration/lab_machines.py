"""What integration tests do with the lab's machines."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from kprov.lab import lifecycle
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

    def start(self, *names: str) -> None:
        """Turn on, and wait for sshd."""
        lifecycle.start(self.state, list(names))
