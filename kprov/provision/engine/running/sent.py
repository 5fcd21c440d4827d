"""A task on its way to a machine, and the rounds of its loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kprov.provision.engine.roles import Role
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.templating import Scope


@dataclass
class Item:
    """One sending of a task: the task itself, or one round of its loop."""

    value: Any = None
    label: str = ""
    loop: dict[str, Any] = field(default_factory=dict)
    number: int | None = None
    result: dict[str, Any] | None = None


@dataclass
class Sent:
    """A task whose results are awaited."""

    task: Task
    role: Role
    items: list[Item]
    scope: Scope
    check: bool
    diff: bool
    name: str
    started: float
    number: int | None = None
    """Under which it is journalled; None: it was not sent."""
