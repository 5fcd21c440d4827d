"""What can be seen to be wrong with tasks before they run: includes, templates, the syntax of every expression."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateNotFound

from kprov.provision.agent.parameters import nearest
from kprov.provision.engine.documents import Problem
from kprov.provision.engine.scope import TemplateProblem
from kprov.provision.engine.tasks import Step, Task, all_tasks, is_open

if TYPE_CHECKING:
    from kprov.provision.engine.roles import Role


def check_steps(steps: Iterable[Step], role: Role, problems: list[Problem], strict: bool) -> None:
    """Tell of everything that is wrong.

    Args:
        steps: the tasks.
        role: whose.
        problems: told.
        strict: a template that a task names must be there; else only where the task runs.
    """
    for task in all_tasks(list(steps)):
        if task.module in ("include_tasks", "import_tasks"):
            _include(task, role, problems, strict)
        source = task.arguments.get("src")
        if task.module == "template" and isinstance(source, str) and not is_open(source):
            _compile(task, role, problems, strict)
        _syntax(task, role, problems)


def _include(task: Task, role: Role, problems: list[Problem], strict: bool) -> None:
    file = task.arguments.get("file")
    if not isinstance(file, str) or is_open(file) or role.files.find(file, task.file) is not None:
        return
    if task.when and not strict:
        return
    near = nearest(file, role.files.names())
    hint = f"did you mean '{near}'?" if near else ""
    problems.append(Problem(task.file, task.line, f"there is no {file} in tasks/", hint))


def _compile(task: Task, role: Role, problems: list[Problem], strict: bool) -> None:
    name = task.arguments["src"]
    if not strict and role.templar.search_path.find("templates", name) is None:
        return
    try:
        role.templar.files.load(name, {})
    except Exception as error:
        file = getattr(error, "filename", None) or name
        line = getattr(error, "lineno", None)
        what = f"{file}:{line}: {error}" if line else f"template {file} can't be compiled: {error}"
        if isinstance(error, (TemplateNotFound, OSError)):
            what = f"there is no template {file}"
        problems.append(Problem(task.file, task.line, what))


def _syntax(task: Task, role: Role, problems: list[Problem]) -> None:
    conditions = [*task.when, *(task.changed_when or ()), *(task.failed_when or ()), *task.until]
    for condition in conditions:
        if isinstance(condition, str) and condition.strip() and not condition.strip().startswith("{{"):
            try:
                role.templar.check_expression(condition.strip())
            except TemplateProblem as problem:
                problems.append(Problem(task.file, task.line, str(problem)))
    for value in (task.arguments, task.variables, task.loop, list(task.environment), task.name):
        _texts(value, task, role, problems)


def _texts(value: Any, task: Task, role: Role, problems: list[Problem]) -> None:
    if isinstance(value, dict):
        for item in value.values():
            _texts(item, task, role, problems)
    elif isinstance(value, list):
        for item in value:
            _texts(item, task, role, problems)
    elif isinstance(value, str) and is_open(value):
        try:
            role.templar.check(value)
        except TemplateProblem as problem:
            problems.append(Problem(task.file, task.line, str(problem)))
