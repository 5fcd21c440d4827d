"""What tasks in a row need once, at their end: done before anything else, and before the last of them answers."""

from __future__ import annotations

from typing import Callable

_due: dict[str, Callable[[], object]] = {}


def later(name: str, action: Callable[[], object]) -> None:
    """Leave something for the end of the row.

    Args:
        name: what it is; asked for twice it is done once, as it was asked for last.
        action: does it.
    """
    _due[name] = action


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
        _due.pop(next(iter(_due)))()
