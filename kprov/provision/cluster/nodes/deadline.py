"""What is done when a node is not empty in time."""

from __future__ import annotations

from enum import StrEnum


class AtDeadline(StrEnum):
    """What is done with pods that are still there at the deadline."""

    STOP = "stop"
    """Nothing more: the pods stay, and who asked is told."""
    DELETE = "delete"
    """They are deleted, whatever their budgets say."""
