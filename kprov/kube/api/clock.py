"""Times as the API writes them: RFC 3339 in UTC, whole seconds (Time) or microseconds (MicroTime)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def seconds() -> float:
    """Seconds since 1970. One name for all who reckon with the time, so that a test can replace it."""
    return time.time()


def steady() -> float:
    """Seconds of a clock that goes on evenly, whatever is done to the machine's time: for how long something lasts."""
    return time.monotonic()


def steady_moment(moment: float) -> float:
    """The steady clock's reading at a moment in seconds since 1970; one that is yet to come is taken for now.

    What is waited for from then on is reckoned by the steady clock: a jump of the machine's time neither hurries it
    nor holds it up.
    """
    return steady() - max(seconds() - moment, 0.0)


def now() -> str:
    """This moment as a Time: ``2026-01-02T03:04:05Z``."""
    return format_time(seconds())


def now_micro() -> str:
    """This moment as a MicroTime: ``2026-01-02T03:04:05.000006Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def format_time(moment: float) -> str:
    """The Time of a moment in seconds since 1970."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_nanoseconds(moment: int) -> str | None:
    """The Time of a moment in nanoseconds since 1970, as container runtimes count; None for 0, their "never"."""
    return format_time(moment // 1_000_000_000) if moment > 0 else None


def is_time(text: str) -> bool:
    """Whether a text is a time of RFC 3339, as Go reads one: fromisoformat alone takes much else."""
    if not _RFC_3339.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def parse_time(text: str | None) -> float | None:
    """Seconds since 1970 of a Time or MicroTime; None where there is none. Raises ValueError for what is no time."""
    return datetime.fromisoformat(text).timestamp() if text else None


def seconds_of(text: str | None) -> float:
    """Seconds since 1970 of a Time or MicroTime; 0 where there is none."""
    return parse_time(text) or 0.0
