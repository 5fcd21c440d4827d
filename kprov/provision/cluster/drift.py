"""Tells what somebody changed on machines: what a run finds other than the last one left it, though nothing else has.

A run writes down a fingerprint of what it depends on: the inventory, roles and templates, the bundle, kprov itself.
Where the last whole run that ended well has the same, each thing that is changed now was changed since, by hand.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from kprov.provision.bundle import Bundle
from kprov.provision.cluster.fingerprints import fingerprints
from kprov.provision.cluster.sources import roles_folder, templates_folder
from kprov.provision.engine import Engine
from kprov.provision.engine.journal_reader import read_run, read_summary
from kprov.provision.engine.run_history import run_folders
from kprov.provision.engine.runs import CHANGED, Run
from kprov.provision.inventory import Inventory

_COMMAND = "kprov up"
# What other commands change is not looked at here: authorities, and the secrets that a run makes.
_SECTIONS = ("variable", "roles", "templates", "bundle", "kprov")


@dataclass(frozen=True, slots=True)
class Drift:
    """What was, or would be, put right."""

    since: Run
    """The run that had left it right."""
    found: tuple[tuple[str, str, str], ...]
    """(host, role or phase, task), in the order in which they were met."""
    compared_only: bool


def note_sources(engine: Engine, inventory: Inventory, bundle: Bundle, *, whole: bool) -> None:
    """Write the fingerprint into the journal.

    Args:
        engine: the run's, before it knows any machine.
        inventory, bundle: what the run depends on.
        whole: whether all phases are run on all machines.
    """
    made = fingerprints(inventory, bundle, engine.secrets, b"", roles=roles_folder(), templates=templates_folder())
    chosen = {section: made[section] for section in _SECTIONS}
    digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()
    engine.journal.write("sources", digest=digest, whole=whole)


def drift_of(state_directory: Path, run_id: str) -> Drift | None:
    """What the run found that somebody had changed.

    Returns: None where that can't be told: it is the first run, or the inventory or kprov is another one by now.
    """
    folders = run_folders(state_directory)
    here = next((folder for folder in folders if folder.name == run_id), None)
    if here is None:
        return None
    digest, _ = sources_of(here)
    for folder in reversed(folders[: folders.index(here)]):
        before = read_summary(folder)
        if before.command != _COMMAND or before.check or before.outcome != "ok":
            continue
        then, whole = sources_of(folder)
        if not whole:
            continue
        if not digest or then != digest:
            return None
        run = read_run(here)
        return Drift(before, changes_of(run), run.check)
    return None


def changes_of(run: Run) -> tuple[tuple[str, str, str], ...]:
    """What a run changed, or would have: (host, role or phase, task), in the order in which it was met."""
    found = [
        (task.host, task.role or phase.title, task.task)
        for phase in run.phases
        if not phase.rehearsal
        for task in phase.tasks
        # A handler's change is the consequence of another one.
        if task.status == CHANGED and "/handlers/" not in task.where
    ]
    return tuple(dict.fromkeys(found))


def sources_of(folder: Path) -> tuple[str, bool]:
    """The fingerprint that a run wrote down, and whether the run was a whole one."""
    try:
        with (folder / "journal.jsonl").open() as stream:
            for line in stream:
                if '"event":"sources"' in line:
                    record = json.loads(line)
                    return str(record.get("digest") or ""), record.get("whole") is True
                if '"event":"phase_started"' in line:
                    break
    except (OSError, ValueError):
        pass
    return "", False
