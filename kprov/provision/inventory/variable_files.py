"""Reads ``group_vars/`` and ``host_vars/`` beside the inventory and beside the playbook, as Ansible does.

A file is named after its group or host (``control_plane.yaml``), or is a folder of files, read in the order of their
names. Of several files for one name the first counts: without an ending (also a folder), ``.yml``, ``.yaml``,
``.json``. What stands there is stronger than what the inventory's own files say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from kprov.provision.inventory.document import Document, is_null
from kprov.provision.inventory.groups import ALL, Tree, Variables
from kprov.provision.inventory.problems import Location, ProblemLog, did_you_mean
from kprov.provision.inventory.text_file import TextFile
from kprov.provision.vault import Vault

_ENDINGS = ("", ".yml", ".yaml", ".json")
_DEEPEST_FOLDER = 20

HOST_VARS = "host_vars"


class VariableFiles:
    """The variable files below one folder.

    Args:
        folder: where ``group_vars`` and ``host_vars`` are.
        shown: what problems call the folder.
        log: where problems go.
        vault: opens what is encrypted.
    """

    def __init__(self, folder: Path, shown: Path, log: ProblemLog, vault: Vault) -> None:
        self.folder = folder
        self.shown = shown
        self.log = log
        self.vault = vault

    def add_to(self, tree: Tree, *, of_playbook: bool = False, only: Collection[str] | None = None) -> None:
        """Add the variables of every such file to the tree.

        A file of a group or host that does not exist is doubtful, except beside a playbook, which serves many
        inventories.

        Args: ``only``: the groups and hosts that are new, where the others' files were read before.
        """
        may_be_missing = of_playbook or only is not None
        for name, path in self._named("group_vars"):
            if only is not None and name not in only:
                continue
            group = tree.groups.get(name)
            if group is not None:
                variables = group.playbook_variables if of_playbook else group.file_variables
                variables.update(self._read(path))
            elif not may_be_missing:
                self._unknown("group", name, path, tree.groups)
        hosts = tree.members(ALL)
        for name, path in self._named(HOST_VARS):
            if name in hosts and (only is None or name in only):
                tree.host_variables.setdefault(name, []).append((HOST_VARS, self._read(path)))
            elif not may_be_missing:
                self._unknown("host", name, path, hosts)

    def _named(self, folder_name: str) -> Iterator[tuple[str, Path]]:
        """Each file with the name of the group or host that it is for, in the order in which they count."""
        folder = self.folder / folder_name
        if not folder.is_dir():
            return
        found: dict[str, dict[str, Path]] = {}
        for path in self._entries(folder):
            ending = path.suffix if path.suffix in _ENDINGS and not path.is_dir() else ""
            name = path.name.removesuffix(ending) if ending else path.name
            found.setdefault(name, {})[ending] = path
        for name, by_ending in sorted(found.items()):
            first, *others = (by_ending[ending] for ending in _ENDINGS if ending in by_ending)
            for other in others:
                self.log.doubt(
                    Location(self._shown(other)),
                    f"is not read, because {self._shown(first)} is",
                    "put both into one, or into a folder of that name",
                )
            if first.is_dir():
                for part in self._parts(first, ()):
                    yield name, part
            else:
                yield name, first

    def _entries(self, folder: Path) -> list[Path]:
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            self.log.add(Location(self._shown(folder)), f"can't be read: {error.strerror}")
            return []
        return [path for path in entries if not path.name.startswith(".") and not path.name.endswith("~")]

    def _parts(self, folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
        real = folder.resolve()
        if real in above or len(above) >= _DEEPEST_FOLDER:
            self.log.add(Location(self._shown(folder)), "is a folder that leads back into itself, or is too deep")
            return
        for path in self._entries(folder):
            if path.is_dir():
                yield from self._parts(path, (*above, real))
            elif path.suffix in _ENDINGS:
                yield path

    def _shown(self, path: Path) -> str:
        return str(self.shown / path.relative_to(self.folder))

    def _read(self, path: Path) -> Variables:
        document = Document(TextFile(path, self._shown(path), self.log, self.vault))
        if document.root is None or is_null(document.root):
            return {}
        found: Variables = {}
        for entry in document.entries(document.root, f"{path.parent.name}/{path.name}"):
            variable = document.variable(entry)
            if variable is not None:
                found[entry.key] = variable
        return found

    def _unknown(self, kind: str, name: str, path: Path, known: Iterable[str]) -> None:
        self.log.doubt(Location(self._shown(path)), f"there is no {kind} {name}", did_you_mean(name, known))
