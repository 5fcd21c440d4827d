"""What a plan says will be done, held against what would be done now, and against what is being done.

A plan is kept by phases: a phase changes a machine only if the plan says that it will. Within such a phase, what
follows from the planned changes (a handler, a task that reads what a command said) is part of them, and is told
afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from kprov.provision.cluster.plan_file import CHANGE, ONLY_WHEN_DONE, PlanFile, PlannedHost, PlannedTask
from kprov.provision.engine import Engine, Result
from kprov.provision.inventory import Host

_MADE_LATER = "+(made when it is first needed)\n"


class PlanOutdated(Exception):
    """The plan does not fit any more; ``problems`` names each machine or file. Nothing was changed."""

    exit_code = 6
    noun = "difference"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"{len(problems)} things are not as they were planned")
        self.problems = list(problems)


class Recorder:
    """Takes down what changes machines, or would, phase by phase.

    Args:
        mask: takes secrets out of a text.
    """

    def __init__(self, mask: Callable[[str], str]) -> None:
        self._mask = mask
        self._made_up: list[str] = []
        self.phase = ""
        self.tasks: dict[str, list[PlannedTask]] = {}
        self.failed: list[str] = []

    def made_up(self, texts: Iterable[str]) -> None:
        """Know texts that are others each time, since what they belong to does not exist yet."""
        self._made_up = ["".join(f"+{line}" for line in text.splitlines(keepends=True)) for text in texts]

    def __call__(self, role: str, result: Result) -> None:
        """Take down a result."""
        if result.failed:
            self.failed.append(f"{result.host}: {role}: {self._mask(result.task)}: {result.message}")
        if not (result.changed or result.unforeseen):
            return
        diff = result.diff
        for text in self._made_up:
            diff = diff.replace(text, _MADE_LATER)
        effect = CHANGE if result.changed else ONLY_WHEN_DONE
        task = PlannedTask(self.phase, role, self._mask(result.task), effect, result.message, diff)
        self.tasks.setdefault(result.host, []).append(task)

    def hosts(self, engine: Engine, names: Iterable[str]) -> dict[str, PlannedHost]:
        """What was taken down, for these machines."""
        return {name: PlannedHost(machine_of(engine, name), self.tasks.get(name, [])) for name in names}


def machine_of(engine: Engine, name: str) -> str:
    """What tells a machine from another one that has its name and address now."""
    return str(engine.facts.get(name, {}).get("ansible_machine_id", ""))


class Guard:
    """Keeps a run to its plan.

    Args:
        engine: the run's.
        plan: what may be changed.
    """

    def __init__(self, engine: Engine, plan: PlanFile) -> None:
        self._engine = engine
        self._phases = {name: {task.phase for task in host.tasks} for name, host in plan.hosts.items()}

    @contextmanager
    def during(self, phase: str, hosts: Iterable[Host]) -> Iterator[None]:
        """For as long as a phase lasts, leave the machines alone that the plan has no change of it for."""
        with self._engine.left_alone(
            [host.name for host in hosts if phase not in self._phases.get(host.name, frozenset())]
        ):
            yield


def differences_of_hosts(plan: PlanFile, now: Mapping[str, PlannedHost]) -> list[str]:
    """What would be done now and was not planned, or the other way round, a sentence each."""
    sentences = []
    for name, planned in plan.hosts.items():
        found = now.get(name)
        if found is None:
            sentences.append(f"{name}: it does not take part now, and the plan is for it, too")
        elif found.machine != planned.machine:
            sentences.append(
                f"{name}: it is another machine than the one that was planned for "
                f"(machine-id {found.machine or 'none'}, then {planned.machine or 'none'})"
            )
        else:
            sentences += [f"{name}: {sentence}" for sentence in _tasks(planned.tasks, found.tasks)]
    return sentences


def _tasks(planned: Sequence[PlannedTask], found: Sequence[PlannedTask]) -> Iterator[str]:
    then, now = _numbered(planned), _numbered(found)
    for key, task in then.items():
        other = now.get(key)
        if other is None:
            yield f"{task.name}: planned, but there is nothing to do any more"
        elif other != task:
            yield f"{task.name}: what would be changed is not what was planned{_first_difference(task, other)}"
    for key, task in now.items():
        if key not in then:
            yield f"{task.name}: it would be changed, and was not planned" + (
                f": {task.message}" if task.message else ""
            )


def _numbered(tasks: Iterable[PlannedTask]) -> dict[tuple[str, str, str, int], PlannedTask]:
    seen: Counter[tuple[str, str, str]] = Counter()
    found = {}
    for task in tasks:
        name = (task.phase, task.role, task.task)
        found[(*name, seen[name])] = task
        seen[name] += 1
    return found


def _first_difference(then: PlannedTask, now: PlannedTask) -> str:
    """The first line that differs, for a person to see what happened."""
    if then.diff != now.diff:
        old, new = then.diff.splitlines(), now.diff.splitlines()
        for before, after in zip([*old, ""], [*new, ""], strict=False):
            if before != after:
                return f': "{after or "nothing"}" instead of "{before or "nothing"}"'
    return f": {now.message or now.effect}" if then.message != now.message else ""


def against_plan(plan: PlanFile, done: Mapping[str, Sequence[PlannedTask]]) -> dict[str, dict[str, list[str]]]:
    """After a run: by machine, what was done as planned, what followed from it, and what was not needed any more.

    Returns:
        machine -> "planned", "followed" and "not needed" -> tasks' names; machines without any are left out.
    """
    found = {}
    for name, host in plan.hosts.items():
        then, now = _numbered(host.tasks), _numbered(done.get(name, ()))
        sums = {
            "planned": [task.name for key, task in now.items() if key in then],
            "followed": [task.name for key, task in now.items() if key not in then],
            "not needed": [task.name for key, task in then.items() if key not in now and task.effect == CHANGE],
        }
        if any(sums.values()):
            found[name] = sums
    return found
