"""The rounds of a task's loop, and which of them are due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kprov.provision.engine.roles import Role
from kprov.provision.engine.running.sent import Item
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.templating import Scope, TemplateProblem


def items_of(task: Task, scope: Scope, role: Role) -> list[Item]:
    """A task's rounds: one without a loop, else one for each element.

    Raises:
        TemplateProblem: the loop is no list.
    """
    if task.loop is None:
        return [Item()]
    values = role.templar.render(task.loop, scope)
    if isinstance(values, Mapping) or not isinstance(values, (list, tuple)):
        hint = "; write | dict2items" if isinstance(values, Mapping) else ""
        raise TemplateProblem(f"loop must be a list, not {type(values).__name__}{hint}")
    items: list[Item] = []
    for index, value in enumerate(values):
        loop = {task.loop_var: value}
        if task.index_var:
            loop[task.index_var] = index
        items.append(Item(value=value, loop=loop, label=str(index)))
    return items


def condition_against(task: Task, scope: Scope, role: Role) -> str | None:
    """None when a task is to be done, else the condition that says no."""
    for condition in task.when:
        if not role.templar.is_true(condition, scope):
            return str(condition)
    return None


def label_of(value: Any) -> str:
    """How an item is named in messages."""
    if isinstance(value, Mapping):
        for key in ("name", "path", "dest", "key"):
            if key in value:
                return str(value[key])
    return str(value)[:80]
