"""How a module says that it could not do its work."""

from __future__ import annotations

from typing import Any


class ModuleFailed(Exception):
    """A module's failure, told to the person who must act.

    Args:
        message: what is wrong and, where known, what to do.
        data: further values that the task's result carries (rc, stdout, ...).
    """

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class ConnectionEnded(Exception):
    """The controller is gone: whatever is under way ends as soon as it safely can."""
