"""Runs a command and says what it cost: wall time, CPU and peak memory of it and all that it starts."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PERIOD = 0.2


@dataclass
class Cost:
    """A command's cost. `seconds` is None when it was stopped for taking too long."""

    seconds: float | None
    cpu: float
    memory_mb: float
    wire_kb: float
    code: int
    output: str
    machines_cpu: float | None = None


class Watch(threading.Thread):
    """Looks at all processes of a command now and then, those that it left running in the background included.

    They are known by a variable of their environment, which children inherit.
    """

    def __init__(self, mark: str) -> None:
        super().__init__(daemon=True)
        self._mark = mark.encode()
        self._others: set[str] = set()
        self._ours: set[str] = set()
        self._over = threading.Event()
        self.peak = 0
        self.seconds_of: dict[str, float] = {}

    def run(self) -> None:
        """Until `finish`."""
        while not self._over.wait(PERIOD):
            self.look()

    def finish(self) -> None:
        """One last look."""
        self._over.set()
        self.join()
        self.look()

    def look(self) -> None:
        """Add up memory (shared pages counted once: PSS) and note CPU."""
        present = {name for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208
        self._others &= present
        total = 0
        # The youngest first: on a busy machine a look takes so long that a short command would be over before its turn.
        for pid in sorted(present - self._others, key=int, reverse=True):
            try:
                if pid not in self._ours:
                    if self._mark not in Path(f"/proc/{pid}/environ").read_bytes():
                        self._others.add(pid)
                        continue
                    self._ours.add(pid)
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                self.seconds_of[pid] = (int(fields[11]) + int(fields[12])) / TICKS
            except (OSError, StopIteration):
                continue
        self._ours &= present
        self.peak = max(self.peak, total)

    def left_running(self) -> list[int]:
        """Processes of the command that outlive it."""
        return [int(pid) for pid in self._ours]


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], limit: float, wire: object = None
) -> tuple[Cost, list[int]]:
    """Run a command to its end.

    Args:
        command: its arguments.
        folder: where.
        environment: on top of the benchmark's own.
        limit: seconds after which it is stopped.
        wire: a function that says how many bytes went over the wire so far.

    Returns:
        Its cost, and the processes that it left running in the background.
    """
    mark = f"KPROV_BENCH={secrets.token_hex(8)}"
    env = {**os.environ, **environment, **dict([mark.split("=")])}
    # Peers come compiled; a checkout of kprov is compiled by its first run, and not again.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    carried = wire() if callable(wire) else 0
    watch = Watch(mark)
    began = time.monotonic()
    with (folder / "output.txt").open("w+b") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        watch.start()
        stopper = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        stopper.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            watch.finish()
            for pid in watch.left_running():  # Ansible's workers are no members of its group
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise
        finally:
            stopper.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.finish()
        output.seek(0)
        text = output.read().decode(errors="replace")
    stopped = seconds >= limit and process.returncode < 0
    left = watch.left_running()
    cpu = usage.ru_utime + usage.ru_stime + sum(watch.seconds_of.get(str(pid), 0.0) for pid in left)
    carried = (wire() if callable(wire) else 0) - carried
    cost = Cost(None if stopped else seconds, cpu, watch.peak / 1024, carried / 1024, process.returncode, text)
    return cost, left
