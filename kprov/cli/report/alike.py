"""What several machines did or suffered alike is told once: a page is read by a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kprov.provision.engine.runs import CHANGED, FAILED, Run, TaskRecord

MOST_TASKS, MOST_DIFFS, MOST_NAMES = 1000, 2_000_000, 12
"""So many entries, characters of diffs in all, and names of machines in an entry a page may have."""


@dataclass(frozen=True, slots=True)
class Alike:
    """A task with the same result on some machines."""

    task: TaskRecord
    hosts: tuple[str, ...]

    @property
    def who(self) -> str:
        """The machines, or the first of them and how many more."""
        return named(self.hosts)


def named(hosts: Sequence[str]) -> str:
    """Names in a row; of many the first, and how many more there are."""
    if len(hosts) <= MOST_NAMES:
        return ", ".join(hosts)
    return f"{', '.join(hosts[: MOST_NAMES - 2])} and {len(hosts) - MOST_NAMES + 2} more"


def alike(tasks: Iterable[TaskRecord]) -> list[Alike]:
    """Tasks with those that are the same but for their machine put together, in the order of the first of each."""
    found: dict[tuple[str, ...], tuple[TaskRecord, dict[str, None]]] = {}
    for task in tasks:
        key = (task.phase, task.role, task.task, task.where, task.status, task.message, task.diff)
        found.setdefault(key, (task, {}))[1][task.host] = None
    return [Alike(task, tuple(hosts)) for task, hosts in found.values()]


def changes(runs: Sequence[Run]) -> tuple[list[tuple[str, list[Alike]]], int]:
    """What was changed, by phase, and how many more changes there were than a page can hold."""
    found: list[tuple[str, list[Alike]]] = []
    entries, letters, left_out = MOST_TASKS, MOST_DIFFS, 0
    for run in runs:
        for phase in run.phases:
            if phase.rehearsal:
                continue
            members = alike(task for task in phase.tasks if task.status == CHANGED)
            left_out += sum(len(each.hosts) for each in members[entries:])
            shown = []
            for each in members[:entries]:
                letters -= len(each.task.diff)
                shown.append(each if letters >= 0 or not each.task.diff else _without_diff(each))
            if shown:
                found.append((phase.title or "Between phases", shown))
            entries -= len(shown)
    return found, left_out


def trouble(runs: Sequence[Run]) -> tuple[list[Alike], int]:
    """What failed, and how many more failures there were than a page can hold."""
    members = alike(task for run in runs for task in run.tasks() if task.status in FAILED)
    return members[:MOST_TASKS], sum(len(each.hosts) for each in members[MOST_TASKS:])


def in_flight(runs: Sequence[Run]) -> list[Alike]:
    """What each machine was at when its run ended without an answer."""
    return alike(tasks[0] for run in runs for tasks in run.in_flight.values() if tasks)[:MOST_TASKS]


def _without_diff(each: Alike) -> Alike:
    message = f"{each.task.message} (this page is full: the journal has the diff)".strip()
    return Alike(replace(each.task, diff="", message=message), each.hosts)
