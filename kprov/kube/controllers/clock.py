"""Times as the API writes them: RFC 3339, in UTC, whole seconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> float:
    """Seconds since the epoch. One name for all controllers, so that a test can replace it."""
    return time.time()


def format_time(seconds: float) -> str:
    """``metav1.Time`` of an instant."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str | None) -> float | None:
    """Seconds since the epoch of a ``metav1.Time`` or ``MicroTime``; None for an absent one."""
    if not text:
        return None
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
