"""A play's `vars_files`: those whose names are known at once, and those that a host's facts name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kprov.provision.documents import is_file
from kprov.provision.engine.documents import Problem
from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.tasks import is_open
from kprov.provision.playbook.play import Play
from kprov.provision.playbook.play_reader import read_variables
from kprov.provision.vault import Vault


def read_now(play: Play, vault: Vault | None, problems: list[Problem]) -> None:
    """Take in the files whose names are known; the others stay in `vars_files`."""
    left = []
    for named in play.vars_files:
        if is_open(named):
            left.append(named)
            continue
        path = _first(play.directory, named)
        if path is None:
            problems.append(Problem(play.file, play.line, f"vars_files: there is no {_shown(named)}"))
        else:
            play.variables.update(read_variables(path, str(path), problems, vault))
    play.vars_files = tuple(left)


def read_for(play: Play, scope: Scope, vault: Vault | None, problems: list[Problem]) -> dict[str, Any]:
    """The variables in the files that a host's own variables name."""
    found: dict[str, Any] = {}
    for named in play.vars_files:
        try:
            rendered = play.role.templar.render(named, scope)
        except TemplateProblem as problem:
            problems.append(Problem(play.file, play.line, f"vars_files: {problem}"))
            continue
        path = _first(play.directory, rendered)
        if path is None:
            problems.append(Problem(play.file, play.line, f"vars_files: there is no {_shown(rendered)}"))
        else:
            found.update(read_variables(path, str(path), problems, vault))
    return found


def _first(directory: Path, named: Any) -> Path | None:
    """The file; of a list of files the first that exists."""
    for name in named if isinstance(named, list) else [named]:
        for path in (directory / str(name), directory / "vars" / str(name)):
            if is_file(path):
                return path
    return None


def _shown(named: Any) -> str:
    return " or ".join(map(str, named)) if isinstance(named, list) else str(named)
