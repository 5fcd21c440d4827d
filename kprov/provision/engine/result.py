"""What became of a task, of a phase, of a host."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


class Status(enum.StrEnum):
    """How a task ended."""

    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    RESCUED = "rescued"
    """It failed, and the block that it stands in has an answer to that."""
    UNREACHABLE = "unreachable"


class TaskFailed(Exception):
    """A task or module failed on a host.

    Args:
        host: where.
        task: its name.
        result: what it returned.
    """

    def __init__(self, host: str, task: str, result: Result) -> None:
        super().__init__(f"{host}: {task}: {result.message}")
        self.host = host
        self.task = task
        self.result = result


@dataclass
class Result:
    """A task's end on one host. `data` is what the module returned; `result["stdout"]` reads it."""

    host: str
    task: str
    status: Status
    message: str = ""
    diff: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    duration: float = 0.0
    location: str = ""
    number: int | None = None
    """Under which it was journalled as sent; None: the controller made it by itself."""
    check: bool = False
    """It only compared: "changed" means that it would."""

    @property
    def changed(self) -> bool:
        """It changed something (in check mode: it would)."""
        return self.status is Status.CHANGED

    @property
    def unforeseen(self) -> bool:
        """It was compared only, and the module can't say without doing it (a command, a request)."""
        return self.check and self.skipped and self.number is not None

    @property
    def failed(self) -> bool:
        """It failed, or its host could not be reached."""
        return self.status in (Status.FAILED, Status.UNREACHABLE)

    @property
    def skipped(self) -> bool:
        """It was not done."""
        return self.status is Status.SKIPPED

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A returned value that may be missing."""
        return self.data.get(name, default)

    def raise_if_failed(self) -> Result:
        """Return itself, or raise TaskFailed."""
        if self.failed:
            raise TaskFailed(self.host, self.task, self)
        return self


@dataclass
class HostState:
    """How it stands with a host: new, connected, awaited, failed, unreachable, locked.

    One that is awaited could not be reached, and is about to be waited for by a task of its own.
    """

    state: str = "new"
    reason: str = ""

    @property
    def takes_part(self) -> bool:
        """Whether tasks are run on it."""
        return self.state in ("connected", "awaited")


@dataclass
class HostSummary:
    """A host's whole run in numbers."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    skipped: int = 0
    rescued: int = 0
    unreachable: bool = False
    reason: str = ""
    phase: str = ""
    """Where it was when it failed or was lost."""
    finished: str = ""
    """The last task that it is known to have finished."""
    in_flight: list[str] = field(default_factory=list)
    """What had been sent to it and was not answered: done, or not."""

    def count(self, status: Status) -> None:
        """Add one task."""
        if status is Status.OK:
            self.ok += 1
        elif status is Status.CHANGED:
            self.changed += 1
        elif status is Status.SKIPPED:
            self.skipped += 1
        elif status is Status.FAILED:
            self.failed += 1
        elif status is Status.RESCUED:
            self.rescued += 1


@dataclass
class PhaseResult:
    """A phase's end: which hosts took part, which stopped and at what, which were left out and why."""

    title: str
    hosts: list[str]
    counts: dict[str, HostSummary] = field(default_factory=dict)
    failed: dict[str, Result] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    duration: float = 0.0
    round_trips: int = 0
    broken: str = ""
    """Why a play's failures end the run; empty where they do not."""

    @property
    def ok(self) -> bool:
        """Nothing failed and nobody was left out."""
        return not self.failed and not self.left_out

    @property
    def changed(self) -> bool:
        """Something was changed."""
        return any(count.changed for count in self.counts.values())

    def raise_if_failed(self) -> PhaseResult:
        """Return itself, or raise TaskFailed for the first host that stopped."""
        for host, result in self.failed.items():
            raise TaskFailed(host, result.task, result)
        return self
