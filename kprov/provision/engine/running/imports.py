"""Roles that are brought in the middle of a play: what an import gives to the whole play, and from when on.

Source: ansible-core 2.19: imports are done when the play is read, so their defaults, vars and handlers are there from
its start; includes when they are come to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kprov.provision.engine.control_modules import IMPORTS
from kprov.provision.engine.documents import RoleErrors
from kprov.provision.engine.roles import FromFiles, Roles
from kprov.provision.engine.running.pieces import steps_of, with_dependencies
from kprov.provision.engine.running.place import Piece, Place
from kprov.provision.engine.scope import TemplateProblem
from kprov.provision.engine.tasks import Block, Step, Task, is_open

_DEEPEST = 50


@dataclass(frozen=True)
class Brought:
    """A role that an import or an include brings."""

    place: Place
    steps: tuple[Step, ...]
    dependencies: tuple[Piece, ...]
    public: bool
    """Its defaults and vars are seen by the whole play."""

    @property
    def places(self) -> tuple[Place, ...]:
        """Where its handlers, and those of the roles that it depends on, are seen from."""
        return (*(piece.place for piece in self.dependencies), self.place)

    def expose(self, defaults: dict[str, Any], variables: dict[str, Any]) -> None:
        """Give its defaults and vars to the play, if it does."""
        if self.public:
            for role in (*self.place.dependencies, self.place.role):
                defaults.update(role.defaults)
                variables.update(role.variables)


def framed(task: Task) -> Task:
    """What an import says for each task that it brings, as if it stood there itself."""
    return replace(task, loop=None, register=None, notify=())


def brought_by(place: Place, task: Task, given: Mapping[str, Any], roles: Roles, *, public: bool) -> Brought:
    """The role that an import_role or include_role brings.

    Args:
        place: what surrounds its tasks.
        task: the import or include.
        given: its arguments, rendered.
        roles: gives roles by name.
        public: whether it gives its defaults and vars to the play where it does not say so.

    Raises:
        RoleErrors: the role is wrong, or there is none.
        TemplateProblem: it includes itself.
    """
    files = FromFiles(*(str(given.get(name) or "main") for name in ("vars_from", "defaults_from", "handlers_from")))
    chain = place.chain
    role = roles.get(str(given["name"]), files)
    role = roles.brought(role, [parent.role for parent in reversed(chain)])
    if len(chain) > _DEEPEST and any(parent.role.path == role.path for parent in chain):
        raise TemplateProblem(f"role {role.name} includes itself without an end")
    own = place.within(
        role=role,
        include_params={**place.include_params, **place.params},
        entry_variables={},
        parents=chain,
        bringers=place.bringers if place.role.is_play else (place.role, *place.bringers),
        dependencies=(),
    )
    pieces, own = with_dependencies(own, roles)
    steps = steps_of(role, str(given.get("tasks_from") or "main"))
    said = str(given.get("public", public)).lower() in ("true", "yes", "1", "on")
    return Brought(own, steps, tuple(pieces), said)


def imports_in(place: Place, steps: Sequence[Step], roles: Roles, depth: int = 0) -> list[Brought]:
    """The roles that tasks import, and those that these import themselves, in the order in which Ansible reads them.

    What is wrong with one of them is passed over: it is told where the play's tasks are looked at.

    Args:
        place: where the tasks stand.
        steps: them.
        roles: gives roles by name.
        depth: how many imports are around them.
    """
    found: list[Brought] = []
    for step in steps if depth < _DEEPEST else ():
        if isinstance(step, Block):
            found += imports_in(place, (*step.steps, *step.rescue, *step.always), roles, depth)
        elif step.module in IMPORTS and not is_open(step.arguments):
            task = place.complete(step)
            try:
                found += _imported(place.within(frame=framed(task)), task, roles, depth + 1)
            except (RoleErrors, TemplateProblem):
                continue
    return found


def imports_of(brought: Brought, roles: Roles, depth: int = 0) -> list[Brought]:
    """What a role's own tasks import, and those of the roles that it depends on; then the role itself."""
    found = [one for piece in brought.dependencies for one in imports_in(piece.place, piece.steps, roles, depth)]
    return [*found, *imports_in(brought.place, brought.steps, roles, depth), brought]


def _imported(place: Place, task: Task, roles: Roles, depth: int) -> list[Brought]:
    if task.module == "import_role":
        return imports_of(brought_by(place, task, task.arguments, roles, public=True), roles, depth)
    path = place.role.files.find(str(task.arguments["file"]), task.file)
    return imports_in(place, place.role.files.load(path), roles, depth) if path is not None else []
