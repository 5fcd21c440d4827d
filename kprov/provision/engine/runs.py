"""A run that is over, or under way, as its journal tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.provision.engine.journal import JOURNAL_NAME, LOG_NAME

ENDED = ("ok", "failed", "unreachable", "locked", "interrupted")
"""How a run says that it ended. One that could not say is "died", one that is under way "running"."""

CHANGED, FAILED = "changed", ("failed", "unreachable")


@dataclass(slots=True)
class TaskRecord:
    """A task on one host: its result, or, as long as ``status`` is "", only that it was sent."""

    host: str
    phase: str
    role: str
    task: str
    number: int | None = None
    status: str = ""
    message: str = ""
    seconds: float = 0.0
    where: str = ""
    diff: str = ""
    check: bool = False
    """It only compared: "changed" means that it would."""
    sent: float = 0.0


@dataclass(slots=True)
class PhaseRecord:
    """A phase of a run, with the results of its tasks in the order in which they came."""

    title: str
    hosts: list[str]
    started: float
    ended: float | None = None
    rehearsal: bool = False
    tasks: list[TaskRecord] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """How long it took; None when it did not end."""
        return None if self.ended is None else self.ended - self.started


@dataclass(slots=True)
class Run:
    """One run, as its journal tells it."""

    id: str
    folder: Path
    outcome: str = "died"
    command: str = ""
    check: bool = False
    by: str = ""
    pid: int = 0
    version: str = ""
    inventory: str = ""
    hosts: list[str] = field(default_factory=list)
    started: float = 0.0
    ended: float = 0.0
    """Of a run that died: when its last record was written."""
    error: str = ""
    plan: str = ""
    """The run that made the plan which this one carries out."""
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, tuple[str, str]] = field(default_factory=dict)
    phases: list[PhaseRecord] = field(default_factory=list)
    in_flight: dict[str, list[TaskRecord]] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)
    """The cluster as the inventory had it: its name, its API's address, its machines with their groups."""
    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By host: what it is."""
    releases: list[str] = field(default_factory=list)
    """The releases of kprov's daemons that the machines are brought to."""
    checks: list[dict[str, Any]] = field(default_factory=list)
    """Of a verification: what was checked, and what came of it."""
    warnings: list[str] = field(default_factory=list)
    unreadable: int = 0
    """Lines that could not be read."""

    @property
    def log_path(self) -> Path:
        """The run's lines for people."""
        return self.folder / LOG_NAME

    @property
    def journal_path(self) -> Path:
        """The run's records."""
        return self.folder / JOURNAL_NAME

    @property
    def seconds(self) -> float:
        """How long it took, as far as the journal knows."""
        return max(0.0, self.ended - self.started)

    def total(self, *words: str) -> int:
        """The sum of these counts over all hosts."""
        return sum(int(counts.get(word, 0)) for counts in self.counts.values() for word in words)

    def tasks(self) -> Iterator[TaskRecord]:
        """All results, in their order; those of a rehearsal are none."""
        for phase in self.phases:
            if not phase.rehearsal:
                yield from phase.tasks
