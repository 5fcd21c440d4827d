"""The runs that a state directory remembers: listed, found by name, and forgotten when they are many."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from kprov.provision.engine.journal import JOURNAL_NAME
from kprov.provision.engine.journal_reader import is_running, read_run, read_summary
from kprov.provision.engine.runs import Run

LAST = "last"


class NoSuchRun(Exception):
    """An id that names no run, or more than one. The message says what there is."""

    exit_code = 2


def run_folders(state_directory: Path) -> list[Path]:
    """The folders of all runs, the oldest first: their names begin with their time.

    Raises:
        NoSuchRun: the folder may not be read.
    """
    try:
        found = [path for path in (state_directory / "runs").iterdir() if path.is_dir() and not path.is_symlink()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise NoSuchRun(f"the runs in {error.filename} can't be read: {error.strerror}") from None
    return sorted(found, key=lambda path: path.name)


def list_runs(state_directory: Path) -> list[Run]:
    """How each run began and ended, the oldest first."""
    return [read_summary(folder) for folder in run_folders(state_directory)]


def find_run(state_directory: Path, name: str) -> Run:
    """A run by its id, by the beginning of its id, or `last`.

    Raises:
        NoSuchRun: there is none, or several begin so.
    """
    folders = run_folders(state_directory)
    if not folders:
        raise NoSuchRun(f"no run is remembered in {state_directory / 'runs'}")
    if name == LAST:
        return read_run(folders[-1])
    # The random end of an id tells runs of one minute apart and is quicker to type.
    chosen = [path for path in folders if path.name == name] or [
        path
        for path in folders
        if name and (path.name.startswith(name) or path.name.rpartition("-")[2].startswith(name))
    ]
    if len(chosen) == 1:
        return read_run(chosen[0])
    if not chosen:
        raise NoSuchRun(f"no run begins with {name!r}: `kprov runs list` shows them; the last is {folders[-1].name}")
    raise NoSuchRun(f"{len(chosen)} runs begin with {name!r}: {_some([path.name for path in chosen])}")


def last_where(state_directory: Path, wanted: Callable[[Run], bool], before: str = "") -> Run | None:
    """The newest run that fits, with its tasks; only those before the run `before` if one is named."""
    for folder in reversed(run_folders(state_directory)):
        if (not before or folder.name < before) and wanted(read_summary(folder)):
            return read_run(folder)
    return None


def prune(state_directory: Path, keep: int) -> list[str]:
    """Forget old runs: the newest `keep` stay, and those that are under way.

    A folder that can't be removed is left for the next time.

    Returns:
        The ids of those that are gone.
    """
    gone = []
    folders = run_folders(state_directory)
    for folder in folders[: max(0, len(folders) - keep)]:
        if is_running(folder / JOURNAL_NAME):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            gone.append(folder.name)
    return gone


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
