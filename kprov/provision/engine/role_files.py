"""A role's files beside its tasks: variables, handlers, what meta/ says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.provision.documents import is_file
from kprov.provision.engine import documents, task_keywords
from kprov.provision.engine.documents import Lines, Problem, plain
from kprov.provision.engine.task_files import TaskFiles
from kprov.provision.engine.task_reader import TaskReader
from kprov.provision.engine.tasks import Block, Step, Task, inherited

if TYPE_CHECKING:
    from kprov.provision.engine.roles import RoleEntry
    from kprov.provision.vault import Vault

_ENTRY = task_keywords.INHERITED | {"connection", "delegate_facts", "delegate_to"}


class RoleFiles:
    """Reads them.

    Args:
        path: the role's folder.
        files: its task files.
        problems: told of mistakes.
        strict: see Roles.
        vault: opens what is encrypted.
    """

    def __init__(
        self, path: Path, files: TaskFiles, problems: list[Problem], strict: bool, vault: Vault | None
    ) -> None:
        self._path = path
        self._files = files
        self._problems = problems
        self._strict = strict
        self._vault = vault

    def _main(self, folder: str, name: str) -> list[Path]:
        """The files that `name` stands for: itself with a suffix, or all in the folder of that name."""
        base = self._path / folder
        for suffix in (".yml", ".yaml", "", ".json"):
            found = base / (name + suffix)
            if is_file(found):
                return [found]
        inside = base / name
        return sorted(path for path in inside.glob("**/*") if path.suffix in (".yml", ".yaml", ".json"))

    def _load(self, path: Path) -> Any:
        return documents.load(path, self._problems, self._files.shown(path), self._vault)

    def variables(self, folder: str, name: str) -> dict[str, Any]:
        """A role's defaults or vars."""
        merged: dict[str, Any] = {}
        paths = self._main(folder, name)
        if not paths and name != "main":
            self._problems.append(Problem(self._files.shown(self._path), 1, f"there is no {name} in {folder}/"))
        for path in paths:
            found = self._load(path)
            if found is not None and not isinstance(found, dict):
                self._problems.append(Problem(self._files.shown(path), 1, "must be a mapping of variables"))
                continue
            merged.update(plain(found or {}))
        return merged

    def handlers(self, name: str) -> tuple[Task, ...]:
        """A role's handlers, those that its file imports included."""
        if self._strict and name == "main":
            paths = sorted((self._path / "handlers").glob("*.y*ml"))
        else:
            paths = self._main("handlers", name)
        return tuple(handler for path in paths for handler in self._handlers_of(path, None))

    def _handlers_of(self, path: Path, outer: Task | None, above: tuple[Path, ...] = ()) -> list[Task]:
        shown = self._files.shown(path)
        reader = self._files.reader(shown, self._problems)
        found: list[Task] = []
        for handler in _flat(reader.read(self._load(path))):
            task = inherited(outer, handler)
            file = task.arguments.get("file")
            if task.module == "import_tasks" and isinstance(file, str):
                other = path.parent / file
                if not is_file(other):
                    self._problems.append(Problem(shown, task.line, f"there is no {file} in handlers/"))
                    continue
                if other.resolve() in (*above, path.resolve()):
                    self._problems.append(Problem(shown, task.line, f"{file} imports itself"))
                    continue
                found += self._handlers_of(other, task, (*above, path.resolve()))
            else:
                found.append(task)
        return found

    # -- meta

    def meta(self) -> Lines:
        """What meta/main.yml says."""
        paths = self._main("meta", "main")
        found = self._load(paths[0]) if paths else None
        if found is not None and not isinstance(found, Lines):
            self._problems.append(Problem(self._files.shown(paths[0]), 1, "must be a mapping"))
            return Lines()
        return found or Lines()

    def dependencies(self, meta: Lines) -> tuple[tuple[RoleEntry, ...], bool]:
        """The roles that come before this one, and whether this one may run more than once in a play."""
        shown = self._files.shown(self._path / "meta" / "main.yml")
        entries = meta.get("dependencies") or []
        if not isinstance(entries, list):
            self._problems.append(Problem(shown, meta.key_lines["dependencies"], "'dependencies' must be a list"))
            entries = []
        line = meta.key_lines["dependencies"] if entries else 1
        found = [read_entry(entry, line, self._files.owner, shown, self._problems, self._strict) for entry in entries]
        return tuple(entry for entry in found if entry is not None), bool(meta.get("allow_duplicates", False))

    def argument_specs(self, meta: Lines) -> dict[str, Any]:
        """The parameters that the role declares, by the file that they are for (main, ...)."""
        paths = self._main("meta", "argument_specs")
        document = self._load(paths[0]) if paths else meta
        specs = document.get("argument_specs") if isinstance(document, dict) else None
        return dict(plain(specs)) if isinstance(specs, dict) else {}


def _flat(steps: tuple[Step, ...]) -> list[Task]:
    found: list[Task] = []
    for step in steps:
        found += _flat(step.steps) if isinstance(step, Block) else [step]
    return found


def read_entry(entry: Any, line: int, owner: str, file: str, problems: list[Problem], strict: bool) -> RoleEntry | None:
    """A role in a play's `roles` or a role's `dependencies`."""
    from kprov.provision.engine.roles import RoleEntry

    if isinstance(entry, str):
        return RoleEntry(entry, Task("", "", {}, owner, file, line))
    if not isinstance(entry, Lines):
        problems.append(Problem(file, line, f"a role must be a name or a mapping, not {type(entry).__name__}"))
        return None
    name = entry.get("role", entry.get("name"))
    if not isinstance(name, str):
        what = "is brought by ansible-galaxy" if "src" in entry else "names no role"
        problems.append(Problem(file, entry.line, f"this entry {what}", "write '- role: NAME'"))
        return None
    params = {key: plain(value) for key, value in entry.items() if _is_param(str(key))}
    kept = Lines({key: value for key, value in entry.items() if key not in params})
    kept.line, kept.key_lines = entry.line, entry.key_lines
    reader = TaskReader(owner, file, problems, strict)
    frame = reader.frame(kept, _ENTRY | {"role"}, "a role's entry")
    return RoleEntry(name, frame, params)


def _is_param(key: str) -> bool:
    known = task_keywords.TASK | task_keywords.BLOCK | set(task_keywords.REFUSED) | {"role", "name"}
    return key not in known
