"""Whom a task runs as."""

from __future__ import annotations

from typing import Any

from kprov.provision.engine.running.context import RunContext
from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.templating import Templar


def truth(value: Any, default: bool, templar: Templar, scope: Scope) -> bool:
    """A keyword's truth, which may be a template."""
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    return templar.is_true("{{ " + value + " }}" if isinstance(value, str) and "{{" not in value else value, scope)


def user_of(task: Task, templar: Templar, scope: Scope, session: HostSession, run: RunContext) -> str | None:
    """The user whom a task runs as, None for the agent's own.

    Raises:
        TemplateProblem: it cannot be: the agent was started without the right to become another.
    """
    asked = templar.render(task.become_user, scope) if task.become_user is not None else None
    if not run.become_by_keyword:
        return str(asked) if asked else None
    variables = session.host.variables
    wanted = truth(variables.get("ansible_become", task.become), False, templar, scope)
    agent = "root" if session.escalated else session.login
    target = str(variables.get("ansible_become_user") or asked or "root") if wanted else session.login
    if target == agent:
        return None
    if agent != "root":
        raise TemplateProblem(
            f"it must run as {target}, but {session.name} was connected to as {agent}: write 'become: true' at the play"
        )
    return target
