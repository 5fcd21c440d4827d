"""Every task that a play may come to, as far as names say so: for checks before anything is run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from kprov.provision.engine.control_modules import INCLUDES
from kprov.provision.engine.documents import Problem, RoleErrors
from kprov.provision.engine.roles import Roles
from kprov.provision.engine.running.imports import brought_by
from kprov.provision.engine.running.pieces import pieces_of
from kprov.provision.engine.running.place import Piece, Place
from kprov.provision.engine.scope import TemplateProblem
from kprov.provision.engine.tasks import Block, Step, Task, is_open
from kprov.provision.playbook.play import Play


@dataclass(frozen=True)
class Reached:
    """A task, where it stands, and what must be true for it to be reached."""

    task: Task
    place: Place
    is_handler: bool = False
    """It runs only where another task changes something."""


class Reach:
    """Walks through plays.

    Args:
        roles: gives roles.
        problems: told of roles and files that are wrong or missing.
    """

    def __init__(self, roles: Roles, problems: list[Problem]) -> None:
        self._roles = roles
        self._problems = problems
        self._walking: list[Any] = []

    def pieces(self, play: Play) -> list[Piece]:
        """The pieces of a play's roles, those that they depend on included."""
        found: list[Piece] = []
        for entry in play.roles:
            try:
                found += pieces_of(entry, self._roles, Place(play.role, play.frame))
            except RoleErrors as errors:
                self._tell(errors, f"{entry.frame.file}:{entry.frame.line}")
        return found

    def tasks(self, play: Play) -> Iterator[Reached]:
        """A play's tasks and handlers."""
        place = Place(play.role, play.frame)
        yield from self._steps(place, play.pre_tasks)
        for piece in self.pieces(play):
            yield from self._steps(piece.place, piece.steps)
            yield from self._handlers(piece.place)
        yield from self._steps(place, (*play.tasks, *play.post_tasks))
        yield from self._handlers(place)

    def _handlers(self, place: Place) -> Iterator[Reached]:
        if ("handlers", place.role.path, place.role.name) not in self._walking:
            for reached in self._steps(place, place.role.handlers):
                yield replace(reached, is_handler=True)

    def _steps(self, place: Place, steps: tuple[Step, ...]) -> Iterator[Reached]:
        for step in steps:
            if isinstance(step, Block):
                yield from self._steps(place, (*step.steps, *step.rescue, *step.always))
                continue
            task = place.complete(step)
            yield Reached(task, place)
            if task.module in INCLUDES:
                yield from self._included(place, task)

    def _included(self, place: Place, task: Task) -> Iterator[Reached]:
        # Of a loop or a condition it is only known that the tasks may be reached.
        frame = replace(task, register=None, notify=(), loop=None)
        word = task.arguments.get("name" if task.module.endswith("_role") else "file")
        if not isinstance(word, str) or is_open(word):
            return
        key = (task.file, task.line, place.role.path)
        if key in self._walking:
            return
        self._walking.append(key)
        try:
            for inner, steps in self._inner(place.within(frame=frame), task, word):
                yield from self._steps(inner, steps)
        except TemplateProblem:
            return  # it is told when it is come to
        except RoleErrors as errors:
            if not task.when:
                self._tell(errors, task.location)
        finally:
            self._walking.remove(key)

    def _inner(self, place: Place, task: Task, word: str) -> list[tuple[Place, tuple[Step, ...]]]:
        """Where the tasks stand that an import or an include brings, and the tasks."""
        if task.module.endswith("_role"):
            if is_open(task.arguments.get("tasks_from")):
                return []
            given = {key: value for key, value in task.arguments.items() if not is_open(value)}
            brought = brought_by(place, task, given, self._roles, public=False)
            pieces = [(piece.place, piece.steps) for piece in brought.dependencies]
            return [*pieces, (brought.place, brought.steps)]
        path = place.role.files.find(word, task.file)
        return [(place, place.role.files.load(path))] if path is not None else []  # role_checks tells of it

    def _tell(self, errors: RoleErrors, where: str) -> None:
        for problem in errors.problems:
            if problem.message.startswith("there is no role"):
                file, _, line = where.rpartition(":")
                problem = Problem(file, int(line or 1), problem.message, problem.suggestion)
            if problem not in self._problems:
                self._problems.append(problem)
