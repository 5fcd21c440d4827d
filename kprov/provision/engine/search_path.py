"""Where the controller's files are looked for: a role's folders first, then the playbook's, as Ansible does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kprov.provision.documents import exists


@dataclass(frozen=True)
class SearchPath:
    """Folders in which files, templates and variable files are looked for.

    Args:
        bases: folders, the nearest first; in each, the folder of the kind (`files`, `templates`, `vars`, `tasks`) comes
            before the folder itself.
        templates: folders searched for templates before all others.
    """

    bases: tuple[Path, ...] = ()
    templates: tuple[Path, ...] = ()

    def places(self, kind: str, name: str) -> list[Path]:
        """Everywhere that a file may be."""
        path = Path(name)
        try:
            path = path.expanduser()
        except RuntimeError:
            pass  # nobody has that home
        if path.is_absolute():
            return [path]
        first = [base / name for base in self.templates] if kind == "templates" else []
        return [*first, *(place for base in self.bases for place in (base / kind / name, base / name))]

    def find(self, kind: str, name: str) -> Path | None:
        """The first of them that exists; looked for once, for all hosts."""
        known = self._found.get((kind, name))
        if known is not None and exists(known):
            return known
        found = next((place for place in self.places(kind, name) if exists(place)), None)
        if found is not None:
            self._found[kind, name] = found
        return found

    @cached_property
    def _found(self) -> dict[tuple[str, str], Path]:
        return {}

    def loader_paths(self) -> Sequence[str]:
        """The folders that templates are loaded from by Jinja's own includes."""
        return [
            str(path) for path in (*self.templates, *(p for base in self.bases for p in (base / "templates", base)))
        ]
