"""Processes that outlive who starts them: found again by a file with their id, ended without taking another for one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from kprov.lab.errors import LabError

_PATIENCE = 15.0


class Process:
    """One program of the control plane: NAME.pid and NAME.log in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """Nothing is started by this."""
        self.name = name
        self.log = folder / f"{name}.log"
        self._file = folder / f"{name}.pid"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, command: list[str]) -> None:
        """Start it in a session of its own. Raises LabError when it runs already."""
        if self.running():
            raise LabError(f"{self.name} runs already, as process {self.pid()}")
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
                start_new_session=True,
            )
        self._file.write_text(f"{self._child.pid} {_birth(self._child.pid)}\n")

    def pid(self) -> int | None:
        """Its id while it runs."""
        try:
            number, birth = self._file.read_text().split()
        except (OSError, ValueError):
            return None
        if self._child is not None and self._child.poll() is not None:
            return None
        return int(number) if _birth(int(number)) == birth else None

    def running(self) -> bool:
        """Whether it runs."""
        return self.pid() is not None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, the hard way if it does not go within seconds."""
        for each in (number, signal.SIGKILL):
            pid, end = self.pid(), time.monotonic() + _PATIENCE
            if pid is None:
                break
            with suppress(ProcessLookupError):
                os.kill(pid, each)
            while self.running() and time.monotonic() < end:
                time.sleep(0.02)
        self._file.unlink(missing_ok=True)

    def last_words(self) -> str:
        """The end of its log."""
        if not self.log.exists():
            return f"{self.name} was never started"
        return f"{self.log}:\n" + "".join(self.log.read_text(errors="replace").splitlines(True)[-15:])


def _birth(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty for one that is gone or only waits to be collected."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
