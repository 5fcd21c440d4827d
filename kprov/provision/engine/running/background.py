"""`async`: a time limit where a task is waited for; with `poll: 0` it is begun, and goes on by itself."""

from __future__ import annotations

from typing import Any

from kprov.provision.engine.actions import ACTIONS
from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.templating import Templar


def seconds_waited_for(task: Task, templar: Templar, scope: Scope) -> float:
    """The seconds that a task has, which is waited for; 0 where `async` says nothing of it."""
    return 0.0 if _is_let_go(task, templar, scope) else _seconds(task, templar, scope)


def job_of(task: Task, templar: Templar, scope: Scope) -> dict[str, Any] | None:
    """What the agent is told of a task that nobody waits for; None for all others.

    Raises:
        TemplateProblem: it can't be done so.
    """
    if not _is_let_go(task, templar, scope):
        return None
    if task.module in ACTIONS:
        # As in Ansible. What it needs of the controller would come while nobody is there.
        raise TemplateProblem(f"{task.module} can't be done with poll: 0: leave out async, or poll")
    return {"seconds": _seconds(task, templar, scope), "folder": folder_of(scope)}


def folder_of(scope: Scope) -> str | None:
    """Where a host keeps what becomes of such tasks; None: where Ansible has it."""
    return str(scope["ansible_async_dir"]) if "ansible_async_dir" in scope else None


def _seconds(task: Task, templar: Templar, scope: Scope) -> float:
    return float(templar.render(task.asynchronous, scope) or 0) if task.asynchronous is not None else 0.0


def _is_let_go(task: Task, templar: Templar, scope: Scope) -> bool:
    if task.asynchronous is None or task.poll is None:
        return False
    return float(templar.render(task.poll, scope) or 0) == 0 and _seconds(task, templar, scope) > 0
