"""Times as Kubernetes writes them (RFC 3339)."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The time now, with its zone."""
    return datetime.now(UTC)


def timestamp(moment: datetime | None = None) -> str:
    """A metav1.Time: whole seconds."""
    return (moment or now()).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(moment: datetime | None = None) -> str:
    """A metav1.MicroTime."""
    return (moment or now()).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_nanoseconds(moment: int) -> str | None:
    """A metav1.Time of CRI's nanoseconds since 1970, or None for "never"."""
    return timestamp(datetime.fromtimestamp(moment // 1_000_000_000, UTC)) if moment > 0 else None


def parse_time(text: str) -> datetime:
    """A datetime of a metav1.Time or MicroTime; raises ValueError."""
    return datetime.fromisoformat(text)
