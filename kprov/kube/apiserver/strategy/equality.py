"""Equality as the API means it: what is absent, null or empty is the same."""

from __future__ import annotations

from typing import Any

# Fields that a typed client does not send when they hold their zero value, so that "false" comes back as nothing.
_OMITTED_WHEN_ZERO = frozenset(
    (
        "hostNetwork", "hostPID", "hostIPC", "readOnly", "stdin", "stdinOnce", "tty", "hostPort", "initialDelaySeconds",
        "deprecatedTopology", "unschedulable", "paused", "publishNotReadyAddresses", "minReadySeconds", "nodePort",
        "partition", "weight", "globalDefault",
    )
)  # fmt: skip


def pruned(value: Any) -> Any:
    """A copy of a value without nulls, empty maps, empty lists and empty strings."""
    if isinstance(value, dict):
        kept = {}
        for key, item in value.items():
            small = pruned(item)
            if small is None or small in ({}, [], "") or (not small and key in _OMITTED_WHEN_ZERO):
                continue
            kept[key] = small
        return kept
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


def semantically_equal(left: Any, right: Any) -> bool:
    """Whether two values mean the same."""
    return left == right or bool(pruned(left) == pruned(right))


def differences(left: Any, right: Any, path: str = "") -> list[str]:
    """The paths at which two values differ."""
    left, right = pruned(left), pruned(right)
    if isinstance(left, dict) and isinstance(right, dict):
        return [
            found
            for key in sorted({*left, *right})
            for found in differences(left.get(key), right.get(key), f"{path}.{key}" if path else key)
        ]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [
            found
            for index, (one, other) in enumerate(zip(left, right, strict=True))
            for found in differences(one, other, f"{path}[{index}]")
        ]
    return [] if left == right else [path]
