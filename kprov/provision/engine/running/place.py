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
        params: parameters of the role's entry, and of those that brought it: stronger than facts that were set.
        include_params: variables of the includes around it: stronger than these.
        entry_variables: `vars` of the role's entry.
        loop: the items of the loops around it.
        parents: where the roles stand that brought this one, the outermost first.
        bringers: the roles whose tasks import or include this one, the nearest first.
        dependencies: the roles that this one depends on, each after those that it depends on itself.
    """

    role: Role
    frame: Task | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    include_params: Mapping[str, Any] = field(default_factory=dict)
    entry_variables: Mapping[str, Any] = field(default_factory=dict)
    loop: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[Place, ...] = ()
    bringers: tuple[Role, ...] = ()
    dependencies: tuple[Role, ...] = ()

    def within(self, **changes: Any) -> Place:
        """A place inside this one."""
        return replace(self, **changes)

    @property
    def chain(self) -> tuple[Place, ...]:
        """The parents of a role that is brought from here."""
        return () if self.role.is_play else (*self.parents, self)

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
    def variables(self) -> dict[str, Any]:
        """The role's vars: its parents', weaker than its dependencies', weaker than its own, and than its entry's.

        Source: ansible-core 2.19, Role.get_vars.
        """
        found: dict[str, Any] = {}
        for parent in self.parents:
            found.update(parent.entry_variables)
            found.update(parent.role.variables)
        for role in (*self.dependencies, self.role):
            found.update(role.variables)
        found.update(self.entry_variables)
        return found

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The role's defaults: its dependencies', weaker than its parents', weaker than its own.

        Source: ansible-core 2.19, Role.get_default_vars.
        """
        found: dict[str, Any] = {}
        for role in (*self.dependencies, *(parent.role for parent in self.parents), self.role):
            found.update(role.defaults)
        return found

    @cached_property
    def magic(self) -> dict[str, Any]:
        """What variables say of the role."""
        role = self.role
        found: dict[str, Any] = {"ansible_search_path": [str(path) for path in role.templar.search_path.bases]}
        if not role.is_play:
            found.update(
                role_name=role.name.rpartition(".")[2] if role.collection else role.name,
                ansible_collection_name=role.collection or None,
                ansible_role_name=role.name,
                role_path=str(role.path.absolute()),
                ansible_dependent_role_names=[entry.name for entry in role.dependencies],
            )
        if self.bringers:
            found["ansible_parent_role_names"] = [bringer.name for bringer in self.bringers]
            found["ansible_parent_role_paths"] = [str(bringer.path.absolute()) for bringer in self.bringers]
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
