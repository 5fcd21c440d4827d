"""Roles as pieces of a play: what they depend on first, each entry with what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from kprov.provision.engine.documents import Problem, RoleErrors
from kprov.provision.engine.roles import Role, RoleEntry, Roles
from kprov.provision.engine.running.place import Piece, Place
from kprov.provision.engine.tasks import Step, inherited


def pieces_of(entry: RoleEntry, roles: Roles, outer: Place | None = None) -> list[Piece]:
    """The pieces of a role's entry: those of the roles that it depends on, then its own.

    Args:
        entry: the entry.
        roles: gives roles by name.
        outer: the play that lists it, or the role that depends on it.

    Raises:
        RoleErrors: a role is wrong, or depends on itself.
    """
    dependent = outer.role if outer is not None and not outer.role.is_play else None
    role = roles.get(entry.name, dependent=dependent)
    chain = outer.chain if outer is not None else ()
    role = roles.brought(role, [parent.role for parent in reversed(chain)])
    if any(parent.role.path == role.path for parent in chain):
        names = " -> ".join([*(parent.role.name for parent in chain), role.name])
        raise RoleErrors(
            [Problem(entry.frame.file, entry.frame.line, f"roles depend on each other in a circle: {names}")]
        )
    surrounding = outer if outer is not None else Place(role)
    own = surrounding.within(
        role=role,
        frame=inherited(surrounding.frame, replace(entry.frame, variables={})),
        params={**surrounding.params, **entry.params},
        entry_variables=dict(entry.frame.variables),
        parents=chain,
        dependencies=(),
    )
    pieces, place = with_dependencies(own, roles)
    return [*pieces, Piece(place, steps_of(role, "main"), _key(role, entry))]


def with_dependencies(place: Place, roles: Roles) -> tuple[list[Piece], Place]:
    """The pieces of the roles that a role depends on, and the role's place, which has their variables."""
    pieces = [piece for entry in place.role.dependencies for piece in pieces_of(entry, roles, place)]
    return pieces, place.within(dependencies=tuple(piece.place.role for piece in pieces))


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
