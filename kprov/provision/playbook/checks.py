"""What is seen of plays before anything is run: mistakes, what their tasks set for others, and whom they run as."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from kprov.provision.agent.parameters import nearest
from kprov.provision.engine.documents import Problem
from kprov.provision.engine.role_checks import check_steps
from kprov.provision.engine.roles import Roles
from kprov.provision.engine.tasks import is_open
from kprov.provision.playbook.play import Play
from kprov.provision.playbook.reach import Reach, Reached


@dataclass
class Seen:
    """What is known of a play before it runs."""

    play: Play
    tasks: list[Reached] = field(default_factory=list)
    shared_names: set[str] = field(default_factory=set)
    """Variables that its tasks set."""
    becomes: bool = False
    """Some task runs as another user."""
    groups: bool = False
    """Some task makes groups."""
    lockstep: bool = False
    """Some task's failure is to stop all hosts, or sets facts of another."""
    waits: bool = False
    """Some task waits for the connection to its host."""
    bears: bool = False
    """Some task bears that its host is unreachable."""


def look_at(play: Play, roles: Roles, problems: list[Problem]) -> Seen:
    """Read what a play names, and check it.

    Args:
        play: the play.
        roles: gives roles.
        problems: told of mistakes.
    """
    seen = Seen(play)
    for steps in play.role.tasks.values():
        check_steps(steps, play.role, problems, strict=False)
    check_steps(play.role.handlers, play.role, problems, strict=False)
    seen.tasks = [_checked(reached, problems) for reached in Reach(roles, problems).tasks(play)]
    for reached in seen.tasks:
        _note(reached, seen)
    seen.becomes = seen.becomes or _says(play.frame.become)
    _check_notifications(seen, problems)
    return seen


def _checked(reached: Reached, problems: list[Problem]) -> Reached:
    """A role's task, looked at. What is wrong where a condition stands before it is an obstacle only if it says yes."""
    if reached.place.role.is_play:
        return reached
    found: list[Problem] = []
    check_steps((reached.task,), reached.place.role, found, strict=False)
    found = [problem for problem in found if problem not in problems]
    if not found or not reached.task.when:
        problems += found
        return reached
    message = reached.task.unsupported or "; ".join(dict.fromkeys(problem.message for problem in found))
    return replace(reached, task=replace(reached.task, unsupported=message))


def _note(reached: Reached, seen: Seen) -> None:
    task = reached.task
    if task.register:
        seen.shared_names.add(str(task.register))
    if task.module == "set_fact":
        seen.shared_names |= {str(name) for name in task.arguments}
    seen.groups = seen.groups or task.module in ("group_by", "add_host")
    seen.waits = seen.waits or task.module == "wait_for_connection"
    seen.bears = seen.bears or _says(task.ignore_unreachable)
    seen.becomes = seen.becomes or _says(task.become)
    gives_facts = task.module == "set_fact" and task.delegate_to is not None and _says(task.delegate_facts)
    gives_facts = gives_facts and not _says(task.run_once)  # for what is done once all hosts wait anyway
    seen.lockstep = seen.lockstep or gives_facts or _says(task.any_errors_fatal)


def _says(value: Any) -> bool:
    """Whether a keyword says yes, or may."""
    return value is not None and str(value).lower() not in ("false", "no", "off")


def _check_notifications(seen: Seen, problems: list[Problem]) -> None:
    """A handler that nobody has would be noticed only when the task changes something."""
    roles = {id(reached.place.role): reached.place.role for reached in seen.tasks}.values()
    handlers = [handler for role in [*roles, seen.play.role] for handler in role.handlers]
    if any(is_open(handler.name) or handler.module == "include_tasks" for handler in handlers):
        return
    if any(r.task.module in ("include_role", "import_role") and is_open(r.task.arguments) for r in seen.tasks):
        return
    named = {handler.name for handler in handlers}
    named |= {f"{role.name} : {handler.name}" for role in roles for handler in role.handlers}
    named |= {word for handler in handlers for word in handler.listen}
    for reached in seen.tasks:
        for word in reached.task.notify:
            if not is_open(word) and str(word) not in named:
                near = nearest(str(word), named)
                hint = f"did you mean '{near}'?" if near else ""
                problem = Problem(reached.task.file, reached.task.line, f"there is no handler '{word}'", hint)
                if problem not in problems:
                    problems.append(problem)
