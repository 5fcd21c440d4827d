"""The rounds of a task's loop, and which of them are due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kprov.provision.engine.roles import Role
from kprov.provision.engine.running.sent import Item
from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.tasks import Task

_KINDS = {
    "template": "templates",
    "include_vars": "vars",
    "include_tasks": "tasks",
    "import_tasks": "tasks",
}


def items_of(task: Task, scope: Scope, role: Role) -> list[Item]:
    """A task's rounds: one without a loop, else one for each element.

    Raises:
        TemplateProblem: the loop is no list.
    """
    if task.loop is None:
        return [Item()]
    try:
        values = _values(task, scope, role)
    except TemplateProblem:
        # As in Ansible: a loop over what is not there is no mistake where `when` says no anyway.
        if condition_against(task, scope, role) is not None:
            return []
        raise
    control = task.control
    extended = bool(role.templar.render(control.extended, scope))
    items: list[Item] = []
    for index, value in enumerate(values):
        loop: dict[str, Any] = {control.loop_var: value, "ansible_loop_var": control.loop_var}
        if control.index_var:
            loop[control.index_var] = index
            loop["ansible_index_var"] = control.index_var
        if extended:
            loop["ansible_loop"] = _extended(values, index)
        items.append(Item(value=value, loop=loop, label=str(index)))
    return items


def _values(task: Task, scope: Scope, role: Role) -> list[Any]:
    values = role.templar.render(task.loop, scope)
    if task.loop_lookup is not None:
        return role.templar.items(task.loop_lookup, values, scope, _KINDS.get(task.module, "files"))
    if isinstance(values, Mapping) or not isinstance(values, (list, tuple, set, range)):
        hint = "; write | dict2items" if isinstance(values, Mapping) else ""
        raise TemplateProblem(f"loop must be a list, not {type(values).__name__}{hint}")
    return list(values)


def _extended(values: list[Any], index: int) -> dict[str, Any]:
    length = len(values)
    found = {
        "allitems": values,
        "index": index + 1,
        "index0": index,
        "first": index == 0,
        "last": index == length - 1,
        "length": length,
        "revindex": length - index,
        "revindex0": length - index - 1,
    }
    if index:
        found["previtem"] = values[index - 1]
    if index < length - 1:
        found["nextitem"] = values[index + 1]
    return found


def condition_against(task: Task, scope: Scope, role: Role) -> str | None:
    """None when a task is to be done, else the condition that says no."""
    for condition in task.when:
        if not role.templar.is_true(condition, scope):
            return str(condition)
    return None


def skipped_by(condition: str) -> dict[str, Any]:
    """The result of a round that `when` keeps from being done."""
    return {
        "changed": False,
        "skipped": True,
        "skip_reason": f"not true: {condition}",
        "false_condition": condition,
    }


def label_of(value: Any) -> str:
    """How an item is named in messages."""
    if isinstance(value, Mapping):
        for key in ("name", "path", "dest", "key"):
            if key in value:
                return str(value[key])
    return str(value)[:80]
