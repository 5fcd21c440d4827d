"""Machines whose etcd data are of a cluster that is no more: kept in mind by the controller until they join anew.

After the loss of quorum was repaired without them, two of them together could bring the old cluster back to life.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from kprov.provision.pki.files import write_private

_FILE = "etcd-lost-members.json"


def lost_members(state_directory: Path) -> list[str]:
    """Their names."""
    try:
        found = json.loads((state_directory / _FILE).read_text())
    except FileNotFoundError:
        return []
    return [str(name) for name in found]


def remember_lost(state_directory: Path, names: Iterable[str]) -> None:
    """Keep these in mind, too."""
    _write(state_directory, {*lost_members(state_directory), *names})


def forget_lost(state_directory: Path, names: Iterable[str]) -> None:
    """These have joined anew, or are gone for good."""
    _write(state_directory, set(lost_members(state_directory)) - set(names))


def _write(state_directory: Path, names: set[str]) -> None:
    path = state_directory / _FILE
    if names:
        write_private(path, (json.dumps(sorted(names)) + "\n").encode())
    else:
        path.unlink(missing_ok=True)
