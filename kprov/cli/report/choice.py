"""Which runs belong in one report: a command's own, and the verification that it ended with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kprov.provision.engine.journal_reader import read_run, read_summary
from kprov.provision.engine.run_history import LAST, NoSuchRun, find_run, run_folders
from kprov.provision.engine.runs import Run

COMMANDS = ("kprov up", "kprov upgrade", "kprov verify")
"""What `last` looks for."""
VERIFY = "kprov verify"


def reported_runs(state_directory: Path, name: str) -> list[Run]:
    """The run that a name means, and the other runs of the same command line.

    Raises:
        NoSuchRun: it means none, or more than one.
    """
    folders = run_folders(state_directory)
    if name == LAST:
        found = next((folder for folder in reversed(folders) if read_summary(folder).command in COMMANDS), None)
        if found is None:
            raise NoSuchRun(f"no run of {', '.join(COMMANDS)} is remembered in {state_directory / 'runs'}")
    else:
        found = find_run(state_directory, name).folder
    return _of_one_command(folders, found)


def runs_of_this_process(state_directory: Path, pid: int, since: float) -> list[Run]:
    """The runs that a process has made since a moment, the oldest first."""
    found = []
    for folder in reversed(run_folders(state_directory)):
        summary = read_summary(folder)
        if summary.pid != pid or summary.started < since:
            break
        found.append(read_run(folder))
    return found[::-1]


def _of_one_command(folders: Sequence[Path], chosen: Path) -> list[Run]:
    """`kprov up` verifies at its end, in a run of its own: whichever is named, both are shown."""
    run = read_run(chosen)
    at = folders.index(chosen)
    if run.command != VERIFY:
        later = folders[at + 1 : at + 2]
        return [run, *(other for other in map(read_run, later) if other.command == VERIFY and _together(run, other))]
    for earlier in map(read_run, folders[max(0, at - 1) : at]):
        if earlier.command != VERIFY and _together(earlier, run):
            return [earlier, run]
    return [run]


def _together(first: Run, second: Run) -> bool:
    return bool(first.pid) and (first.pid, first.by) == (second.pid, second.by) and first.outcome == "ok"
