"""The task files of a role or a playbook, each read once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.provision.documents import is_file
from kprov.provision.engine import documents
from kprov.provision.engine.documents import Problem, RoleErrors
from kprov.provision.engine.task_reader import TaskReader
from kprov.provision.engine.tasks import Step

if TYPE_CHECKING:
    from kprov.provision.vault import Vault

SUFFIXES = ("", ".yml", ".yaml")


class TaskFiles:
    """Task files below some folders.

    Args:
        owner: the role's name, for messages.
        folders: where names are looked for, the first first.
        shown_from: files are shown in messages as seen from here.
        strict, lenient: see TaskReader.
        vault: opens files and values that are encrypted.
    """

    def __init__(
        self,
        owner: str,
        folders: tuple[Path, ...],
        shown_from: Path,
        strict: bool,
        lenient: bool = False,
        vault: Vault | None = None,
    ) -> None:
        self.owner = owner
        self._folders = folders
        self._shown_from = shown_from
        self._strict = strict
        self._lenient = lenient
        libraries = [folder.parent / "library" for folder in folders] if not strict else []
        self._own_modules = frozenset(path.stem for library in libraries for path in library.glob("*.py"))
        self.vault = vault
        self.defaults: Mapping[str, Any] = {}
        """What the play says in `module_defaults`: parameters that its own tasks may leave out."""
        self._read: dict[Path, tuple[Step, ...]] = {}
        self._lock = threading.Lock()

    def find(self, name: str, beside: str = "") -> Path | None:
        """A task file's place.

        Args:
            name: as an include names it.
            beside: the file of the task that names it, as messages show it.
        """
        first = [(self._shown_from / beside).parent] if beside else []
        last = [folder.parent for folder in self._folders]  # `tasks/x.yml`, as roles write it, too
        for folder in (*first, *self._folders, *last):
            for suffix in SUFFIXES:
                path = folder / (name + suffix)
                if is_file(path):
                    return path.resolve()
        return None

    def names(self) -> list[str]:
        """Every file that there is, as an include would name it."""
        found = (
            str(path.relative_to(folder))
            for folder in self._folders
            for path in folder.glob("**/*.y*ml")
            if path.is_file()
        )
        return sorted(found)

    def shown(self, path: Path) -> str:
        """A file's name in messages."""
        for base in (self._shown_from, self._shown_from.resolve()):
            try:
                return str(path.relative_to(base))
            except ValueError:
                continue
        return str(path)

    def reader(self, shown: str, problems: list[Problem]) -> TaskReader:
        """What reads the tasks of a file."""
        reader = TaskReader(self.owner, shown, problems, self._strict, self._lenient, self._own_modules)
        reader.defaults = self.defaults
        return reader

    def load(self, path: Path, problems: list[Problem] | None = None) -> tuple[Step, ...]:
        """A file's tasks.

        Args:
            path: its place.
            problems: what is wrong with it goes there.

        Raises:
            RoleErrors: it is wrong, and `problems` is None.
        """
        with self._lock:
            if path in self._read:
                return self._read[path]
        found: list[Problem] = []
        shown = self.shown(path)
        steps = self.reader(shown, found).read(documents.load(path, found, shown, self.vault))
        if found and problems is None:
            raise RoleErrors(found)
        if problems is not None:
            problems += found
        with self._lock:
            self._read[path] = steps
        return steps

    def read_all(self, folder: Path, problems: list[Problem]) -> dict[str, tuple[Step, ...]]:
        """Every file below a folder, by the name that an include would give it."""
        return {
            str(path.relative_to(folder)): self.load(path.resolve(), problems)
            for path in sorted(folder.glob("**/*.y*ml"))
            if path.is_file()
        }
