"""Whether a run reads facts: gathering what nobody reads costs each machine more than all that a no-op asks of it.

It is seen from the text of what the plays name. What is missed that way (a name put together by a template) is not
lost: a fact that was not gathered is gathered when it is read, which only takes longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.provision.playbook.checks import Seen

if TYPE_CHECKING:
    from kprov.provision.inventory.model import Inventory

# Named like facts, and known without the machine: connection variables and what the run itself says.
_NO_FACTS = (
    "become",
    "check_mode",
    "collection_name",
    "config_file",
    "connection",
    "dependent_role_names",
    "diff_mode",
    "forks",
    "group_priority",
    "host\\b",
    "index_var",
    "inventory_sources",
    "limit",
    "loop",
    "managed",
    "parent_role",
    "password",
    "play_",
    "playbook_python",
    "port\\b",
    "private_key",
    "python_interpreter",
    "role_name",
    "run_tags",
    "search_path",
    "skip_tags",
    "ssh_",
    "timeout",
    "user\\b",
    "verbosity",
    "version",
)
_READS = re.compile(
    rf"\bansible_(?!{'|'.join(_NO_FACTS)})\w|\bkprov_(?!host_key|jump_host|lock_path|power_|version|timeouts)\w"
    r"|\bhostvars\b|\bvars\s*\[|\blookup\s*\(\s*['\"]vars|\bvarnames\b"
)

# What a role's files/ holds is sent as it is.
_READ_FOLDERS = ("tasks", "handlers", "templates", "vars", "defaults", "meta")


def reads_facts(plays: Iterable[Seen], inventory: Inventory) -> bool:
    """Whether a play, what it brings in, or a variable of the inventory may read a fact."""
    folders: set[Path] = set()
    files: set[Path] = set()
    for seen in plays:
        play = seen.play
        if play.vars_files:  # their names may be made of anything
            return True
        files.add(Path(play.file))
        files |= {Path(reached.task.file) for reached in seen.tasks}
        bases = {base for reached in seen.tasks for base in reached.place.role.templar.search_path.bases}
        folders |= {Path(base) for base in bases if not _is_play(seen, base)}
        folders |= {play.directory / name for name in ("templates", "vars", "tasks", "handlers")}
    texts = (path for folder in folders for path in _texts(folder))
    return any(_reads(path) for path in {*files, *texts}) or _variables_read(inventory)


def _is_play(seen: Seen, base: Path) -> bool:
    return base.resolve() == seen.play.directory.resolve()


def _texts(folder: Path) -> Iterable[Path]:
    inner = [folder / name for name in _READ_FOLDERS if (folder / name).is_dir()]
    for place in inner or [folder]:
        yield from (path for path in place.rglob("*") if path.is_file())


def _reads(path: Path) -> bool:
    try:
        return _READS.search(path.read_text(errors="replace")) is not None
    except OSError:
        return False  # shown by another name; its folder is looked at


def _variables_read(inventory: Inventory) -> bool:
    """Variables are templates, too. Most hosts share them: each value is looked at once."""
    seen: set[int] = set()
    return any(_value_reads(value, seen) for host in inventory.hosts.values() for value in host.variables.values())


def _value_reads(value: Any, seen: set[int]) -> bool:
    if isinstance(value, str):
        return "{" in value and _READS.search(value) is not None
    if not isinstance(value, (Mapping, list)) or id(value) in seen:
        return False
    seen.add(id(value))
    return any(_value_reads(inner, seen) for inner in (value.values() if isinstance(value, Mapping) else value))
