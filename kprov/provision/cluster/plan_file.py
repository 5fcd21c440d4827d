"""A plan as a file: what was shown, and what it was made from, so that it can be carried out later or not at all.

Secrets are masked in it as everywhere. It is for its owner alone (mode 0600) all the same: it tells much of a cluster.
docs/reference/plan-file.md describes it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kprov.provision import atomic, documents

FORMAT = 1

# A plan of a thousand machines, raised from nothing, has fewer bytes; and a calendar has no later seconds.
_LARGEST = 1 << 30
_LATEST = 1e11

CHANGE = "change"
ONLY_WHEN_DONE = "known only when it is done"


class PlanFileError(Exception):
    """A plan's file can't be written, or is none; the message says why, and what to do. Nothing was changed."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One task that would change a machine, or of which that can't be known beforehand.

    Attributes:
        phase, role, task: its names.
        effect: CHANGE or ONLY_WHEN_DONE.
        message: what the task says of it.
        diff: how, where files differ.
    """

    phase: str
    role: str
    task: str
    effect: str
    message: str = ""
    diff: str = ""

    @property
    def name(self) -> str:
        """As people know it."""
        return f"{self.role}: {self.task}" if self.role and self.role != self.phase else f"{self.phase}: {self.task}"


@dataclass(slots=True)
class PlannedHost:
    """One machine of a plan: which one it was, and what would be done to it."""

    machine: str
    """Its /etc/machine-id."""
    tasks: list[PlannedTask] = field(default_factory=list)


@dataclass(slots=True)
class PlanFile:
    """A whole plan."""

    run: str
    created: float
    by: str
    inventory: str
    salt: str
    options: dict[str, Any] = field(default_factory=dict)
    fingerprints: dict[str, dict[str, str]] = field(default_factory=dict)
    hosts: dict[str, PlannedHost] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Machines of the inventory that the plan is not for, and why."""

    def changes(self) -> int:
        """How many tasks it has, on all machines."""
        return sum(len(host.tasks) for host in self.hosts.values())


def write_plan(path: Path, plan: PlanFile) -> None:
    """Write a plan, whole or not at all, readable by its owner alone.

    Raises:
        PlanFileError: it can't be written.
    """
    text = json.dumps({"kprov_plan": FORMAT, **asdict(plan)}, indent=1, ensure_ascii=False) + "\n"
    try:
        atomic.write(path, text, mode=atomic.PRIVATE)
    except OSError as error:
        raise PlanFileError(f"the plan can't be written to {path}: {error.strerror}") from None


def read_plan(path: Path) -> PlanFile:
    """Read a plan.

    Raises:
        PlanFileError: there is none, it is damaged, or another kprov wrote it.
    """
    again = "make a new one: kprov plan -o FILE"
    try:
        data = json.loads(documents.read(path, _LARGEST))
    except documents.Unreadable as error:
        raise PlanFileError(f"the plan {path} can't be read: {error.reason}") from None
    except (ValueError, RecursionError):
        raise PlanFileError(f"{path} is no plan of kprov, or it is damaged; {again}") from None
    if not isinstance(data, dict) or "kprov_plan" not in data:
        raise PlanFileError(f"{path} is no plan of kprov; {again}")
    if data.pop("kprov_plan") != FORMAT:
        raise PlanFileError(f"{path} was written by another version of kprov; {again}")
    try:
        return _plan_of(data)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError):
        raise PlanFileError(f"the plan {path} is damaged; {again}") from None


def _plan_of(data: dict[str, Any]) -> PlanFile:
    hosts = {
        str(name): PlannedHost(str(host["machine"]), [_task_of(task) for task in host["tasks"]])
        for name, host in data.pop("hosts").items()
    }
    options, left_out = data.pop("options"), data.pop("left_out")
    fingerprints = {
        str(section): {str(name): str(value) for name, value in found.items()}
        for section, found in data.pop("fingerprints").items()
    }
    bytes.fromhex(data["salt"])
    if not 0 < float(data["created"]) < _LATEST:
        raise ValueError("no moment")
    return PlanFile(
        run=str(data["run"]),
        created=float(data["created"]),
        by=str(data["by"]),
        inventory=str(data["inventory"]),
        salt=str(data["salt"]),
        options={str(name): value for name, value in options.items()},
        fingerprints=fingerprints,
        hosts=hosts,
        left_out={str(name): str(reason) for name, reason in left_out.items()},
    )


def _task_of(task: dict[str, Any]) -> PlannedTask:
    if set(task) != set(PlannedTask.__slots__) or not all(isinstance(value, str) for value in task.values()):
        raise ValueError("no task")
    return PlannedTask(**task)
