"""Roles: read whole and checked before anything is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.provision.agent.parameters import nearest
from kprov.provision.engine import documents
from kprov.provision.engine.documents import Problem, RoleErrors, plain
from kprov.provision.engine.tasks import Task, TaskReader, is_open
from kprov.provision.engine.templating import Templar, TemplateProblem

KNOWN_FOLDERS = frozenset({"tasks", "handlers", "defaults", "vars", "templates", "files", "meta"})


@dataclass
class Role:
    """A role: its files' tasks, its handlers and variables."""

    name: str
    path: Path
    templar: Templar
    tasks: dict[str, list[Task]] = field(default_factory=dict)
    handlers: list[Task] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)

    def handlers_for(self, word: str) -> list[Task]:
        """The handlers that a notification names."""
        return [handler for handler in self.handlers if handler.name == word or word in handler.listen]


class Roles:
    """All roles of a folder, each read once.

    Args:
        roles_path: the folder.
        templates_path: where templates are, one folder a component.
    """

    def __init__(self, roles_path: Path, templates_path: Path) -> None:
        self.roles_path = roles_path
        self.templates_path = templates_path
        self._known: dict[str, Role] = {}

    def get(self, name: str) -> Role:
        """A role.

        Raises:
            RoleErrors: with everything that is wrong with it.
        """
        if name not in self._known:
            problems: list[Problem] = []
            role = self._read(name, problems)
            if problems or role is None:
                raise RoleErrors(problems)
            self._known[name] = role
        return self._known[name]

    def tags_of(self, name: str) -> list[frozenset[str]]:
        """The tags of each task of a role.

        Raises:
            RoleErrors: with everything that is wrong with it.
        """
        return [task.tags for tasks in self.get(name).tasks.values() for task in tasks]

    def validate(self, names: list[str]) -> None:
        """Read roles.

        Raises:
            RoleErrors: with everything that is wrong with any of them.
        """
        problems: list[Problem] = []
        for name in names:
            try:
                self.get(name)
            except RoleErrors as errors:
                problems += errors.problems
        if problems:
            raise RoleErrors(problems)

    def _names(self) -> list[str]:
        return (
            sorted(path.name for path in self.roles_path.iterdir() if path.is_dir()) if self.roles_path.is_dir() else []
        )

    def _read(self, name: str, problems: list[Problem]) -> Role | None:
        path = self.roles_path / name
        if not path.is_dir():
            near = nearest(name, self._names())
            problems.append(
                Problem(
                    str(self.roles_path), 1, f"there is no role '{name}'", f"did you mean '{near}'?" if near else ""
                )
            )
            return None
        for entry in sorted(path.iterdir()):
            if entry.is_dir() and entry.name not in KNOWN_FOLDERS:
                near = nearest(entry.name, KNOWN_FOLDERS)
                problems.append(
                    Problem(str(entry), 1, "a role has no such folder", f"did you mean '{near}'?" if near else "")
                )
        role = Role(name, path, Templar([self.templates_path / name, self.templates_path, path / "templates"]))
        role.defaults = self._variables(path / "defaults" / "main.yml", problems)
        role.variables = self._variables(path / "vars" / "main.yml", problems)
        for file in sorted((path / "tasks").glob("*.y*ml")):
            role.tasks[file.name] = TaskReader(name, self._shown(file), problems).read(
                documents.load(file, problems, self._shown(file))
            )
        for file in sorted((path / "handlers").glob("*.y*ml")):
            role.handlers += TaskReader(name, self._shown(file), problems).read(
                documents.load(file, problems, self._shown(file))
            )
        if "main.yml" not in role.tasks:
            problems.append(Problem(str(path), 1, "a role needs tasks/main.yml"))
        self._check(role, problems)
        return role

    def _shown(self, file: Path) -> str:
        try:
            return str(file.relative_to(self.roles_path.parent))
        except ValueError:
            return str(file)

    def _variables(self, path: Path, problems: list[Problem]) -> dict[str, Any]:
        if not path.exists():
            return {}
        found = documents.load(path, problems, self._shown(path))
        if found is not None and not isinstance(found, dict):
            problems.append(Problem(str(path), 1, "must be a mapping of variables"))
            return {}
        return dict(plain(found or {}))

    def _check(self, role: Role, problems: list[Problem]) -> None:
        """What can only be seen with the whole role at hand: handlers, includes, templates, syntax."""
        for task in [*(task for tasks in role.tasks.values() for task in tasks), *role.handlers]:
            for word in task.notify:
                if not is_open(word) and not role.handlers_for(str(word)):
                    near = nearest(str(word), [handler.name for handler in role.handlers])
                    problems.append(
                        Problem(
                            task.file,
                            task.line,
                            f"role {role.name} has no handler '{word}'",
                            f"did you mean '{near}'?" if near else "",
                        )
                    )
            if task.module in ("include_tasks", "import_tasks"):
                file = task.arguments.get("file")
                if isinstance(file, str) and not is_open(file) and file not in role.tasks:
                    near = nearest(file, role.tasks)
                    problems.append(
                        Problem(
                            task.file,
                            task.line,
                            f"there is no {file} in tasks/",
                            f"did you mean '{near}'?" if near else "",
                        )
                    )
            source = task.arguments.get("src")
            if task.module == "template" and isinstance(source, str) and not is_open(source):
                self._compile(task, role, problems)
            self._syntax(task, role, problems)

    def _compile(self, task: Task, role: Role, problems: list[Problem]) -> None:
        try:
            role.templar.environment.get_template(task.arguments["src"])
        except Exception as error:
            name = getattr(error, "filename", None) or task.arguments["src"]
            line = getattr(error, "lineno", None)
            what = f"{name}:{line}: {error}" if line else f"there is no template {name}"
            problems.append(Problem(task.file, task.line, what))

    def _syntax(self, task: Task, role: Role, problems: list[Problem]) -> None:
        conditions = [*task.when, *(task.changed_when or ()), *(task.failed_when or ()), *task.until]
        for condition in conditions:
            if isinstance(condition, str) and not condition.strip().startswith("{{"):
                try:
                    role.templar._compile_expression(condition.strip())
                except TemplateProblem as problem:
                    problems.append(Problem(task.file, task.line, str(problem)))
        for value in (task.arguments, task.variables, task.loop):
            self._texts(value, task, role, problems)

    def _texts(self, value: Any, task: Task, role: Role, problems: list[Problem]) -> None:
        if isinstance(value, dict):
            for item in value.values():
                self._texts(item, task, role, problems)
        elif isinstance(value, list):
            for item in value:
                self._texts(item, task, role, problems)
        elif isinstance(value, str) and is_open(value):
            try:
                kind, compiled = role.templar._compile_text(value)
                if kind == "expression":
                    role.templar._compile_expression(compiled)
            except TemplateProblem as problem:
                problems.append(Problem(task.file, task.line, str(problem)))
