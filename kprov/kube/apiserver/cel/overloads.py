"""How the functions of one library are written down, and what values of Kubernetes' own types are in here.

A quantity, a URL or an address is a map of one entry, whose key says which of them it is: expressions only hand them to
functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Overload = tuple[Any, list[Any], bool, Callable[..., Any]]
"""Result, parameters, whether it is called on its first parameter, and what it does."""

Rows = list[tuple[str, list[Overload]]]
"""Functions by name."""

Own = dict[str, Any]
"""A value of one of Kubernetes' own types."""


def kind_of(value: Own) -> str:
    """Which of Kubernetes' own types a value is of. Raises ValueError where it is of none."""
    if len(value) != 1:
        raise ValueError("no such overload")
    return str(next(iter(value)))


def content(value: Own, kind: str) -> Any:
    """What a value of one of Kubernetes' own types holds. Raises ValueError where it is of another."""
    if kind_of(value) != kind:
        raise ValueError("no such overload")
    return value[kind]


def holds(check: Callable[..., object], *given: Any) -> bool:
    """Whether a check does not complain."""
    try:
        check(*given)
    except (ValueError, TypeError):
        return False
    return True
