"""What tasks in a row need once, at their end: done before anything else, and before the last of them answers."""

from __future__ import annotations

import os
from typing import Callable

_due: dict[str, tuple[Callable[[], object], Callable[[], str], dict[str, str]]] = {}


def later(name: str, action: Callable[[], object], command: Callable[[], str], environment: dict[str, str]) -> None:
    """Leave something for the end of the row.

    Args:
        name: what it is; asked for twice it is done once, as it was asked for last.
        action: does it.
        command: what a shell does instead where the connection ends before.
        environment: its variables on top of the agent's own.
    """
    _due[name] = action, command, environment


def is_due(name: str) -> bool:
    """Whether it was left for the end of the row."""
    return name in _due


def done(name: str) -> None:
    """Something else has done it."""
    _due.pop(name, None)


def settle() -> None:
    """Do all that is due.

    Raises:
        ModuleFailed: one of them failed; the others are not tried.
    """
    while _due:
        _due.pop(next(iter(_due)))[0]()


def hand_over() -> None:
    """The connection has ended: leave what is due to processes that outlive the agent."""
    for _, command, environment in list(_due.values()):
        os.spawnlpe(os.P_NOWAIT, "sh", "sh", "-c", command(), {**os.environ, **environment})  # noqa: S606
