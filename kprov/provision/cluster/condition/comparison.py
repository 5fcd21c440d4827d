"""How far machines differ from the inventory, as the last comparison of all of them found: a `plan` or an `up`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.provision.cluster.drift import changes_of, sources_of
from kprov.provision.engine.journal_reader import read_run, read_summary
from kprov.provision.engine.run_history import run_folders

_COMMANDS = ("kprov up", "kprov plan")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What it found.

    Attributes:
        run: the run that compared.
        command: which command it was.
        seconds: how long ago it ended.
        found: (host, role or phase, task) of each thing that differs; what an `up` has put right differs no more.
        left_out: machines that could not be compared.
    """

    run: str
    command: str
    seconds: float
    found: tuple[tuple[str, str, str], ...]
    left_out: tuple[str, ...] = ()

    @property
    def hosts(self) -> list[str]:
        """The machines on which something differs."""
        return list(dict.fromkeys(host for host, _, _ in self.found))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "run": self.run,
            "command": self.command,
            "seconds_ago": round(self.seconds),
            "found": [{"host": host, "role": role, "task": task} for host, role, task in self.found],
            "left_out": list(self.left_out),
        }


def last_comparison(state_directory: Path, now: float | None = None) -> Comparison | None:
    """The newest run that compared all machines with the inventory, in all phases, and came to its end.

    Returns: None where none is remembered.
    """
    for folder in reversed(run_folders(state_directory)):
        summary = read_summary(folder)
        if summary.command not in _COMMANDS:
            continue
        # A comparison goes on when a machine does not answer; a run that changes things has not done its work then.
        if summary.outcome not in (("ok", "unreachable") if summary.check else ("ok",)):
            continue
        if not sources_of(folder)[1]:
            continue
        passed = max(0.0, (time.time() if now is None else now) - summary.ended)
        if not summary.check:
            return Comparison(summary.id, summary.command, passed, ())
        run = read_run(folder)
        absent = tuple(name for name, (state, _) in run.states.items() if state not in ("connected", "failed"))
        return Comparison(run.id, run.command, passed, changes_of(run), absent)
    return None
