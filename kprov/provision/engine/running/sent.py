"""A task on its way to a machine, and the rounds of its loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kprov.provision.engine.running.pace import Position
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.scope import Scope
from kprov.provision.engine.tasks import Task


@dataclass
class Item:
    """One sending of a task: the task itself, or one round of its loop."""

    value: Any = None
    label: str = ""
    loop: dict[str, Any] = field(default_factory=dict)
    number: int | None = None
    result: dict[str, Any] | None = None
    delegated_to: str = ""
    judged: bool = False
    """changed_when and failed_when have had their say."""


@dataclass
class Sent:
    """A task whose results are awaited."""

    task: Task
    place: Place
    items: list[Item]
    scope: Scope
    check: bool
    diff: bool
    name: str
    started: float
    position: Position = ()
    number: int | None = None
    """Under which it is journalled; None: it was not sent."""
    no_log: bool = False
    ignore_errors: bool = False
    delegated_to: str = ""
    rescued: bool = False
    """A failure is answered by the block that it stands in."""

    @property
    def is_answered(self) -> bool:
        """Whether all of its rounds have a result."""
        for item in self.items:  # noqa: SIM110 - asked twice for each task of each host
            if item.result is None:
                return False
        return True
