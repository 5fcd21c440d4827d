"""Tasks that kprov cannot do: found, with the machines' facts at hand, before anything is changed.

A role for many systems names modules for each of them, under conditions. Where a condition says no for every machine, a
module that kprov does not have is no obstacle; where all say yes, the play is refused whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from kprov.provision.engine.documents import Problem
from kprov.provision.engine.engine import Engine
from kprov.provision.engine.play_plan import PlayPlan
from kprov.provision.engine.running.context import PhaseContext
from kprov.provision.engine.running.loops import items_of
from kprov.provision.engine.scope import NeedsResult, Scope, TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tags import is_chosen
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.templating import Templar
from kprov.provision.playbook.checks import Seen
from kprov.provision.playbook.reach import Reached


@dataclass
class Obstacles:
    """Tasks that kprov cannot do: those that would certainly be reached, and those that may be."""

    certain: list[Problem] = field(default_factory=list)
    possible: list[Problem] = field(default_factory=list)


def obstacles(engine: Engine, seen: Seen, plan: PlayPlan, sessions: Iterable[HostSession]) -> Obstacles:
    """Ask each such task's conditions, with each host's facts and variables."""
    found = Obstacles()
    hosts = list(sessions)
    run = engine.run_context
    for reached in seen.tasks:
        task = reached.task
        if not task.unsupported or not is_chosen(task.tags, run.tags, run.skip_tags):
            continue
        verdicts = {session.name: _is_reached(engine, plan, reached, session, seen) for session in hosts}
        problem = Problem(task.file, task.line, f"task '{task.name}': {task.unsupported}")
        certain = [name for name, verdict in verdicts.items() if verdict]
        if certain and not reached.is_handler:
            hint = f"it would run on {', '.join(certain[:5])}{' and others' if len(certain) > 5 else ''}"
            found.certain.append(Problem(task.file, task.line, problem.message, hint))
        elif certain or None in verdicts.values():
            found.possible.append(problem)
    return found


def _is_reached(engine: Engine, plan: PlayPlan, reached: Reached, session: HostSession, seen: Seen) -> bool | None:
    """Whether a host would come to do a task; None when that is not known yet."""
    context = PhaseContext(
        plan.variables,
        [],
        frame=plan.frame,
        magic=plan.magic,
        exposed_defaults=plan.exposed_defaults,
        exposed_variables=plan.exposed_variables,
    )
    scope = engine.variables.of_task(session, context, reached.place, reached.task, lambda host, name: None)
    return _in_some_round(reached, scope, seen.shared_names)


def _in_some_round(reached: Reached, scope: Scope, set_later: set[str]) -> bool | None:
    """Whether the task is done for any element of its loop; a loop over nothing is never begun."""
    task, role = reached.task, reached.place.role
    if task.loop is None:
        return _all_true(task, role.templar, scope, set_later)
    if _names_in(task.loop) & set_later:
        items = None
    else:
        try:
            items = items_of(task, scope, role)
        except (TemplateProblem, NeedsResult):
            items = None
    if items is None:
        return None if _all_true(task, role.templar, scope, set_later) is not False else False
    rounds = [_all_true(task, role.templar, scope.with_layer(item.loop, False), set_later) for item in items]
    return True if True in rounds else None if None in rounds else False


def _names_in(value: object) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", str(value)))


def _all_true(task: Task, templar: Templar, scope: Scope, set_later: set[str]) -> bool | None:
    verdict: bool | None = True
    for condition in task.when:
        if set_later & _names_in(condition):
            verdict = None
            continue
        try:
            if not templar.is_true(condition, scope):
                return False
        except (TemplateProblem, NeedsResult):
            verdict = None
    return verdict
