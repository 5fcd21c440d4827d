"""Reads ``group_vars/`` and ``host_vars/`` beside the inventory, as Ansible does.

A file is named after its group or host (``control_plane.yaml``), or is a folder of files, read in the order of their
names. What stands there is stronger than what the inventory's own file says of the same group or host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from kprov.provision.inventory.document import UNREADABLE, Document, Located, is_null
from kprov.provision.inventory.groups import ALL, Tree, Variables
from kprov.provision.inventory.problems import Location, ProblemLog, did_you_mean

_ENDINGS = ("", ".yml", ".yaml", ".json")


def add_variable_files(tree: Tree, inventory_file: Path, log: ProblemLog) -> None:
    """Add the variables of every such file to the tree; a file of an unknown group or host is a mistake."""
    folder = inventory_file.absolute().parent
    shown = inventory_file.parent
    for name, path in _named(folder / "group_vars"):
        if name in tree.groups:
            tree.groups[name].file_variables.update(_read(path, folder, shown, log))
        else:
            _unknown("group", name, path, folder, shown, tree.groups, log)
    hosts = tree.members(ALL)
    for name, path in _named(folder / "host_vars"):
        if name in hosts:
            variables = _read(path, folder, shown, log)
            tree.host_variables.setdefault(name, []).append((HOST_VARS, variables))
        else:
            _unknown("host", name, path, folder, shown, hosts, log)


HOST_VARS = "host_vars"


def _named(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each file with the name of the group or host that it is for."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir():
            for part in sorted(path.rglob("*")):
                if part.is_file() and part.suffix in _ENDINGS and not part.name.startswith("."):
                    yield path.name, part
        elif path.suffix in (".yml", ".yaml", ".json"):
            yield path.stem, path
        else:
            yield path.name, path  # a host's name may have dots: "node1.example.org"


def _read(path: Path, folder: Path, shown: Path, log: ProblemLog) -> Variables:
    document = Document(path, log, shown=str(shown / path.relative_to(folder)))
    if document.root is None or is_null(document.root):
        return {}
    found: Variables = {}
    for entry in document.entries(document.root, f"{path.parent.name}/{path.name}"):
        value = document.value(entry.node)
        if value is not UNREADABLE:
            found[entry.key] = Located(value, entry.location)
    return found


def _unknown(
    kind: str, name: str, path: Path, folder: Path, shown: Path, known: Iterable[str], log: ProblemLog
) -> None:
    where = Location(str(shown / path.relative_to(folder)))
    log.add(where, f"there is no {kind} {name}", did_you_mean(name, known))
