"""Roles: read whole and checked before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.provision.agent.parameters import nearest
from kprov.provision.documents import is_folder
from kprov.provision.engine.documents import Problem, RoleErrors
from kprov.provision.engine.role_checks import check_steps
from kprov.provision.engine.role_files import RoleFiles
from kprov.provision.engine.search_path import SearchPath
from kprov.provision.engine.task_files import TaskFiles
from kprov.provision.engine.tasks import Step, Task, all_tasks
from kprov.provision.engine.templating import Templar

if TYPE_CHECKING:
    from kprov.provision.vault import Vault

KNOWN_FOLDERS = frozenset({"tasks", "handlers", "defaults", "vars", "templates", "files", "meta"})


@dataclass(frozen=True)
class RoleEntry:
    """A role as a play lists it, or as another role depends on it."""

    name: str
    frame: Task
    """What it says for all the role's tasks: when, tags, become, vars, ..."""
    params: dict[str, Any] = field(default_factory=dict)
    """Parameters written beside the role's name."""


@dataclass(eq=False)
class Role:
    """A role: its files' tasks, its handlers and variables. The tasks of a play are one, too, whose path is the
    playbook's folder."""

    name: str
    path: Path
    templar: Templar
    files: TaskFiles
    tasks: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    handlers: tuple[Task, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    dependencies: tuple[RoleEntry, ...] = ()
    allow_duplicates: bool = False
    argument_specs: dict[str, Any] = field(default_factory=dict)
    is_play: bool = False
    collection: str = ""
    """What it is part of: its name begins with that."""

    def handlers_for(self, word: str) -> list[Task]:
        """The handlers that a notification names."""
        return [handler for handler in self.handlers if handler.name == word or word in handler.listen]


@dataclass(frozen=True)
class FromFiles:
    """The files that an include takes instead of main.yml."""

    variables: str = "main"
    defaults: str = "main"
    handlers: str = "main"


MAIN = FromFiles()


@dataclass(frozen=True)
class _Found:
    """A role's own name, its folder, the folder that its files are shown from, and its collection."""

    name: str
    path: Path
    shown_from: Path
    collection: str = ""


class Roles:
    """All roles of some folders, each read once.

    Args:
        roles_path: the folder, or several of which the first that has a role gives it.
        collections_path: folders with `ansible_collections` in them, which may have roles, too.
        templates_path: where templates are, one folder a component; None: roles bring their own.
        strict: every word that kprov does not know is an error at once (kprov's own roles). Roles of others may
            name modules that kprov does not have, in tasks that do not run.
        beside: where files are looked for that a role does not have: the playbook's folder.
        vault: opens what is encrypted.
    """

    def __init__(
        self,
        roles_path: Path | Sequence[Path],
        templates_path: Path | None = None,
        *,
        strict: bool = True,
        beside: Path | None = None,
        vault: Vault | None = None,
        collections_path: Sequence[Path] = (),
    ) -> None:
        self.collections_path = tuple(collections_path)
        self.roles_paths = (roles_path,) if isinstance(roles_path, Path) else tuple(roles_path)
        self.templates_path = templates_path
        self.strict = strict
        self._beside = beside
        self._vault = vault
        self._known: dict[tuple[Path, FromFiles], Role] = {}
        self._found: dict[tuple[str, Path | None], _Found | None] = {}
        self._brought: dict[tuple[Role, tuple[Path, ...]], Role] = {}

    def get(self, name: str, files: FromFiles = MAIN, dependent: Role | None = None) -> Role:
        """A role.

        Args:
            name: its name; a path for one that lies elsewhere.
            files: which of its files to take.
            dependent: the role that depends on it: what lies beside that one is found, too.

        Raises:
            RoleErrors: with everything that is wrong with it.
        """
        found = None
        if dependent is not None and dependent.collection:
            found = self._find(f"{dependent.collection}.{name}", None)
        found = found or self._find(name, dependent.path.parent if dependent is not None else None)
        if found is None:
            raise RoleErrors([self._missing(name)])
        key = (found.path, files)
        if key not in self._known:
            problems: list[Problem] = []
            role = self._read(found, files, problems)
            if problems:
                raise RoleErrors(problems)
            self._known[key] = role
        return self._known[key]

    def brought(self, role: Role, bringers: Sequence[Role]) -> Role:
        """A role as others bring it: files that it does not have are looked for in these, too.

        Args:
            role: the role.
            bringers: what depends on it, imports or includes it, and what brings these; the nearest first.
        """
        paths = tuple(dict.fromkeys(one.path for one in bringers if one.path != role.path))
        if not paths:
            return role
        key = (role, paths)
        if key not in self._brought:
            templar = Templar(self._search_path(role.name, role.path, paths))
            self._brought[key] = replace(role, templar=templar)
        return self._brought[key]

    def tags_of(self, name: str) -> list[frozenset[str]]:
        """The tags of each task of a role.

        Raises:
            RoleErrors: with everything that is wrong with it.
        """
        return [task.tags for steps in self.get(name).tasks.values() for task in all_tasks(steps)]

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
        folders = [path for path in self.roles_paths if path.is_dir()]
        return sorted({path.name for folder in folders for path in folder.iterdir() if path.is_dir()})

    def _find(self, name: str, beside: Path | None) -> _Found | None:
        """Where a role lies.

        Source: ansible-core; `a/b` is a role's name where the folders of roles have it, else the way to one named b.
        """
        key = (name, beside)
        if self._found.get(key) is None:
            self._found[key] = self._look_for(name, beside)
        return self._found[key]

    def _look_for(self, name: str, beside: Path | None) -> _Found | None:
        namespace, _, rest = name.partition(".")
        collection, _, own = rest.partition(".")
        parts = own.split(".")
        if all(part.isidentifier() for part in parts):
            for folder in self.collections_path:
                home = folder / "ansible_collections" / namespace / collection
                path = home.joinpath("roles", *parts)
                if is_folder(path):
                    return _Found(name, path, home.parent, f"{namespace}.{collection}")
        path = Path(name).expanduser()
        if not path.is_absolute() and ".." not in path.parts:
            for folder in (*self.roles_paths, *([beside] if beside is not None else [])):
                if is_folder(folder / name):
                    return _Found(name, folder / name, folder.parent)
        path = (self._beside or Path()) / path
        return _Found(path.name, path, path.parent.parent) if "/" in name and is_folder(path) else None

    def _missing(self, name: str) -> Problem:
        near = nearest(name, self._names()) if "/" not in name else None
        places = ", ".join(map(str, self.roles_paths))
        hint = f"did you mean '{near}'?" if near else ("" if self.strict else f"looked in {places}")
        return Problem(str(self.roles_paths[0]), 1, f"there is no role '{name}'", hint)

    def _read(self, found: _Found, from_files: FromFiles, problems: list[Problem]) -> Role:
        name, path, shown_from = found.name, found.path, found.shown_from
        if self.strict:
            self._check_folders(path, problems)
        files = TaskFiles(name, (path / "tasks",), shown_from, self.strict, not self.strict, self._vault)
        role = Role(name, path, Templar(self._search_path(name, path)), files, collection=found.collection)
        reader = RoleFiles(path, files, problems, self.strict, self._vault)
        role.defaults = reader.variables("defaults", from_files.defaults)
        role.variables = reader.variables("vars", from_files.variables)
        role.tasks = files.read_all(path / "tasks", problems)
        role.handlers = reader.handlers(from_files.handlers)
        meta = reader.meta()
        role.dependencies, role.allow_duplicates = reader.dependencies(meta)
        role.argument_specs = reader.argument_specs(meta)
        if self.strict and "main.yml" not in role.tasks:
            problems.append(Problem(str(path), 1, "a role needs tasks/main.yml"))
        if self.strict:  # of others' roles, only what a play comes to is looked at
            for steps in role.tasks.values():
                check_steps(steps, role, problems, self.strict)
            check_steps(role.handlers, role, problems, self.strict)
            self._check_notifications(role, problems)
        return role

    def _search_path(self, name: str, path: Path, bringers: Sequence[Path] = ()) -> SearchPath:
        bases = [path, *bringers, path / "tasks", *([self._beside] if self._beside is not None else [])]
        own = (self.templates_path / name, self.templates_path) if self.templates_path is not None else ()
        return SearchPath(tuple(bases), own)

    def _check_folders(self, path: Path, problems: list[Problem]) -> None:
        for entry in sorted(path.iterdir()):
            if entry.is_dir() and entry.name not in KNOWN_FOLDERS:
                near = nearest(entry.name, KNOWN_FOLDERS)
                hint = f"did you mean '{near}'?" if near else ""
                problems.append(Problem(str(entry), 1, "a role has no such folder", hint))

    def _check_notifications(self, role: Role, problems: list[Problem]) -> None:
        from kprov.provision.engine.tasks import is_open

        for task in [*(task for steps in role.tasks.values() for task in all_tasks(steps)), *role.handlers]:
            for word in task.notify:
                if not is_open(word) and not role.handlers_for(str(word)):
                    near = nearest(str(word), [handler.name for handler in role.handlers])
                    hint = f"did you mean '{near}'?" if near else ""
                    problems.append(Problem(task.file, task.line, f"role {role.name} has no handler '{word}'", hint))
