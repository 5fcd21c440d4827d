"""What the cluster as a whole allows or not: set once, at the server's start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _ClusterPolicy:
    allow_privileged: bool = True


_policy = _ClusterPolicy()


def set_allow_privileged(allowed: bool) -> None:
    """Say whether containers may be privileged, as --allow-privileged does."""
    _policy.allow_privileged = allowed


def privileged_is_allowed() -> bool:
    """Whether containers may be privileged."""
    return _policy.allow_privileged
