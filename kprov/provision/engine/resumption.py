"""What an earlier run left undone, for the run that goes on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kprov.provision.engine.journal_reader import read_run, read_summary
from kprov.provision.engine.pending_handlers import PENDING_NAME, PendingHandlers
from kprov.provision.engine.run_history import run_folders
from kprov.provision.engine.runs import Run, TaskRecord
from kprov.provision.engine.state_lock import holder_of

_UNFINISHED = ("died", "interrupted", "failed", "unreachable")


@dataclass(slots=True)
class Resumption:
    """Where an earlier run of the same command stopped."""

    run: Run
    phase: str
    """The phase that it was in, or the last one that it began; "" when it began none."""
    phases_begun: int = 0
    stopped: dict[str, TaskRecord] = field(default_factory=dict)
    """host -> the task that failed there."""
    unreachable: dict[str, str] = field(default_factory=dict)
    """host -> why it did not answer."""
    handlers: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """(host, role) -> handlers that were due and did not run."""

    @property
    def in_flight(self) -> dict[str, list[TaskRecord]]:
        """What was sent and not answered."""
        return self.run.in_flight


def left_undone(state_directory: Path, command: str) -> Resumption | None:
    """What the last run of a command left undone.

    Args:
        state_directory: the cluster's.
        command: as the journal has it, "kprov up".

    Returns:
        None when it ended well, when there was none, or when one is under way now.
    """
    if holder_of(state_directory) is not None:
        return None
    run = _last_that_began(state_directory, command)
    if run is None or run.outcome not in _UNFINISHED:
        return None
    phases = [phase for phase in run.phases if not phase.rehearsal and phase.title]
    found = Resumption(run, phases[-1].title if phases else "", len(phases))
    for task in run.tasks():
        if task.status == "failed":
            found.stopped[task.host] = task
        elif task.status == "unreachable":
            found.unreachable[task.host] = task.message
    for host, (state, reason) in run.states.items():
        if state == "unreachable":
            found.unreachable.setdefault(host, reason)
    found.handlers = PendingHandlers(state_directory / PENDING_NAME, remember=False).all_due()
    return found


def _last_that_began(state_directory: Path, command: str) -> Run | None:
    """The last run that did anything: one that was refused at its start hides no earlier one."""
    for folder in reversed(run_folders(state_directory)):
        run = read_summary(folder)
        if run.command != command or run.check:
            continue
        if run.outcome == "ok":
            return run  # there is nothing to be found in its tasks, of which there may be very many
        if not run.phases:
            run = read_run(folder)
        if any(not phase.rehearsal for phase in run.phases):
            return run
    return None
