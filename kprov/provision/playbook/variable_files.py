"""A play's `vars_files`: those whose names are known at once, and those that a host's facts name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kprov.provision.documents import is_file
from kprov.provision.engine import documents
from kprov.provision.engine.documents import Problem, plain
from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.tasks import is_open
from kprov.provision.playbook.play import Play
from kprov.provision.vault import Vault


def read_now(
    named: tuple[Any, ...],
    directory: Path,
    variables: dict[str, Any],
    vault: Vault | None,
    problems: list[Problem],
    at: tuple[str, int],
) -> tuple[Any, ...]:
    """Take in the files whose names are known.

    Args:
        named: what `vars_files` says.
        directory: the playbook's folder.
        variables: take what is in the files.
        vault: opens what is encrypted.
        problems: told of mistakes.
        at: the play's file and line.

    Returns:
        The names that are templates.
    """
    left = []
    for name in named:
        if is_open(name):
            left.append(name)
            continue
        path = _first(directory, name)
        if path is None:
            problems.append(Problem(*at, f"vars_files: there is no {_shown(name)}"))
        else:
            variables.update(_read(path, problems, vault))
    return tuple(left)


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
            found.update(_read(path, problems, vault))
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


def _read(path: Path, problems: list[Problem], vault: Vault | None) -> dict[str, Any]:
    found = documents.load(path, problems, str(path), vault)
    if found is not None and not isinstance(found, dict):
        problems.append(Problem(str(path), 1, "must be a mapping of variables"))
        return {}
    return dict(plain(found or {}))
