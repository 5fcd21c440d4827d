"""Roles as pieces of a play: what they depend on first, each entry with what it says."""

from __future__ import annotations

import json
from typing import Any

from kprov.provision.engine.documents import Problem, RoleErrors
from kprov.provision.engine.roles import Role, RoleEntry, Roles
from kprov.provision.engine.running.place import Piece, Place
from kprov.provision.engine.tasks import Step, Task, inherited


def pieces_of(entry: RoleEntry, roles: Roles, outer: Task | None = None, chain: tuple[Role, ...] = ()) -> list[Piece]:
    """The pieces of a role's entry: those of the roles that it depends on, then its own.

    Args:
        entry: the entry.
        roles: gives roles by name.
        outer: what the role that depends on it, or the play, says for its tasks.
        chain: the roles that brought it, the outermost first.

    Raises:
        RoleErrors: a role is wrong, or depends on itself.
    """
    role = roles.get(entry.name)
    if role in chain:
        names = " -> ".join([*(one.name for one in chain), role.name])
        raise RoleErrors(
            [Problem(entry.frame.file, entry.frame.line, f"roles depend on each other in a circle: {names}")]
        )
    frame = inherited(outer, entry.frame)
    entry_variables = dict(entry.frame.variables)
    place = Place(role, _without_variables(frame), dict(entry.params), entry_variables, parents=chain)
    return [*dependencies_of(role, roles, frame, chain), Piece(place, steps_of(role, "main"), _key(role, entry))]


def dependencies_of(role: Role, roles: Roles, frame: Task | None, chain: tuple[Role, ...]) -> list[Piece]:
    """The pieces of the roles that a role depends on."""
    found: list[Piece] = []
    for dependency in role.dependencies:
        found += pieces_of(dependency, roles, frame, (*chain, role))
    return found


def steps_of(role: Role, name: str) -> tuple[Step, ...]:
    """The tasks of a role's file; none where it has no such main file.

    Raises:
        RoleErrors: there is no such file.
    """
    path = role.files.find(name)
    if path is None:
        if name == "main":
            return ()
        raise RoleErrors([Problem(str(role.path), 1, f"role {role.name} has no tasks/{name}")])
    return role.files.load(path)


def _without_variables(frame: Task) -> Task:
    from dataclasses import replace

    return replace(frame, variables={})


def _key(role: Role, entry: RoleEntry) -> str:
    """What tells one use of a role from another: Ansible runs a role once for each set of parameters."""
    if role.allow_duplicates:
        return ""
    said: dict[str, Any] = {
        "path": str(role.path),
        "params": entry.params,
        "vars": entry.frame.variables,
        "when": entry.frame.when,
        "tags": sorted(entry.frame.tags),
    }
    return json.dumps(said, default=str, sort_keys=True)
