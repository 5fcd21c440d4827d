"""Where in a play a task stands: its role, what surrounds it, and the variables that this brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from kprov.provision.engine.module_defaults import with_defaults
from kprov.provision.engine.roles import Role
from kprov.provision.engine.tasks import Step, Task, inherited


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

    @cached_property
    def _complete(self) -> dict[int, tuple[Task, Task]]:
        return {}

    def complete(self, task: Task) -> Task:
        """A task with what this place says for it: worked out once, for all hosts that come by."""
        if self.frame is None and not task.defaults:
            return task
        known = self._complete.get(id(task))  # the task is kept with it, so that its id stays its own
        if known is None:
            known = self._complete[id(task)] = (task, with_defaults(inherited(self.frame, task)))
        return known[1]

    @cached_property
    def magic(self) -> dict[str, Any]:
        """What variables say of the role."""
        role = self.role
        found: dict[str, Any] = {"ansible_search_path": [str(path) for path in role.templar.search_path.bases]}
        if not role.is_play:
            found.update(
                role_name=role.name,
                ansible_role_name=role.name,
                role_path=str(role.path.absolute()),
                ansible_parent_role_names=[parent.name for parent in reversed(self.parents)],
                ansible_parent_role_paths=[str(parent.path.absolute()) for parent in reversed(self.parents)],
                ansible_dependent_role_names=[entry.name for entry in role.dependencies],
            )
        return found


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
