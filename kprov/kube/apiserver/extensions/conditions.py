"""The conditions and the finalizer of a definition."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(definition: Object, kind: str) -> Object:
    """A condition of a definition; empty where it has none."""
    found = (definition.get("status") or {}).get("conditions") or ()
    return next((each for each in found if each["type"] == kind), {})


def with_condition(status: Object, kind: str, value: str, reason: str, message: str) -> Object:
    """A status with a condition as it shall be."""
    wanted = {"type": kind, "status": value, "reason": reason, "message": message}
    found = [dict(each) for each in status.get("conditions") or ()]
    for each in found:
        if each["type"] == kind:
            if each["status"] != value:
                each["lastTransitionTime"] = now()
            each.update(wanted)
            return {**status, "conditions": found}
    return {**status, "conditions": [*found, {**wanted, "lastTransitionTime": now()}]}
