"""Where in a play a task stands: its role, what surrounds it, and the variables that this brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kprov.provision.engine.roles import Role
from kprov.provision.engine.tasks import Step, Task


@dataclass(frozen=True)
class Place:
    """What a task gets from around it.

    Args:
        role: its role, or its play.
        frame: keywords that hold for all tasks here.
        params: variables of role entries and includes: stronger than facts that were set.
        entry_variables: `vars` of the role's entry.
        loop: the items of the loops around it.
        parents: the roles that brought this one, the outermost first.
    """

    role: Role
    frame: Task | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    entry_variables: Mapping[str, Any] = field(default_factory=dict)
    loop: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[Role, ...] = ()

    def within(self, **changes: Any) -> Place:
        """A place inside this one."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Piece:
    """Tasks that stand in one place."""

    place: Place
    steps: tuple[Step, ...]
    once_key: str = ""
    """A role's entry: what it says, so that the same one is run once only; empty for others."""


@dataclass(frozen=True)
class Section:
    """Pieces after which the handlers that are due run."""

    pieces: tuple[Piece, ...]
