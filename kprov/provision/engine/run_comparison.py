"""What differs between two runs: tasks that ended differently, tasks of one run alone, hosts that fared differently.

Tasks are the same when they stand in the same phase and role of the same host under the same name; of several with one
name, the first is compared with the first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kprov.provision.engine.runs import Run, TaskRecord

Key = tuple[str, str, str, int]

NOT_THERE = ""
"""The status of a task in the run that does not have it."""

UNDER_WAY = "in flight"


@dataclass(frozen=True, slots=True)
class Difference:
    """One task that ended differently."""

    host: str
    phase: str
    role: str
    task: str
    before: str
    after: str
    message: str = ""
    diff: str = ""


@dataclass(slots=True)
class Comparison:
    """Two runs, set side by side."""

    before: Run
    after: Run
    differences: list[Difference] = field(default_factory=list)
    hosts_only_before: list[str] = field(default_factory=list)
    hosts_only_after: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Nothing differs."""
        return not (self.differences or self.hosts_only_before or self.hosts_only_after)


def compare(before: Run, after: Run) -> Comparison:
    """Compare two runs, host by host in the later one's order.

    A task that is "ok" or "skipped" in one run and does not appear in the other is no difference: such runs were asked
    to do more or less (`--tags`, `--limit`), which their commands say.
    """
    old, new = _by_host(before), _by_host(after)
    found = Comparison(before, after)
    found.hosts_only_before = [host for host in before.hosts if host not in after.hosts]
    found.hosts_only_after = [host for host in after.hosts if host not in before.hosts]
    for host in [*new, *(name for name in old if name not in new)]:
        theirs, mine = old.get(host, {}), new.get(host, {})
        for key in [*mine, *(key for key in theirs if key not in mine)]:
            was, now = theirs.get(key), mine.get(key)
            before_status, after_status = _status(was), _status(now)
            if before_status == after_status or {before_status, after_status} <= {NOT_THERE, "ok", "skipped"}:
                continue
            shown = now or was
            assert shown is not None
            found.differences.append(
                Difference(
                    host,
                    shown.phase,
                    shown.role,
                    shown.task,
                    before_status,
                    after_status,
                    now.message if now is not None else "",
                    now.diff if now is not None else "",
                )
            )
    return found


def _status(task: TaskRecord | None) -> str:
    return NOT_THERE if task is None else task.status or UNDER_WAY


def _by_host(run: Run) -> dict[str, dict[Key, TaskRecord]]:
    hosts: dict[str, dict[Key, TaskRecord]] = {}
    seen: Counter[tuple[str, str, str, str]] = Counter()
    under_way = [task for tasks in run.in_flight.values() for task in tasks]
    for task in [*run.tasks(), *under_way]:
        name = (task.host, task.phase, task.role, task.task)
        hosts.setdefault(task.host, {})[(task.phase, task.role, task.task, seen[name])] = task
        seen[name] += 1
    return hosts
