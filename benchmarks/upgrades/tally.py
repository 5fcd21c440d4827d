"""What a client saw: how many requests it sent, how many needed another try, and how many had no answer at all."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """Counts the requests of one client.

    Attributes:
        name: what it asks for.
        rate: how many requests it began a second, as it was told to.
        begun: how many it began.
        answered: how many were answered in the end.
        retried: how many of these needed more than one try.
        failed: how many no try was answered of.
        most_tries: the most that a request needed.
        reasons: why tries failed, and how often.
        failures: the last words of requests that failed.
        longest_gap: seconds, the longest time in which nothing was answered.
    """

    name: str
    rate: float
    begun: int = 0
    answered: int = 0
    retried: int = 0
    failed: int = 0
    most_tries: int = 1
    reasons: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    longest_gap: float = 0.0
    _took: list[float] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """A request is begun."""
        self.begun += 1

    def try_failed(self, why: str) -> None:
        """One try had no good answer."""
        self.reasons[why] += 1

    def answer(self, tries: int, seconds: float) -> None:
        """A request was answered."""
        now = time.monotonic()
        self.longest_gap, self._last = max(self.longest_gap, now - self._last), now
        self.answered += 1
        self.retried += tries > 1
        self.most_tries = max(self.most_tries, tries)
        self._took.append(seconds)

    def fail(self, why: str) -> None:
        """All tries of a request are used up."""
        self.failed += 1
        self.failures.append(f"{time.monotonic() - self._started:.1f} s: {why}")

    def end(self) -> None:
        """Nothing more is sent: the time since the last answer counts, too."""
        self.longest_gap = max(self.longest_gap, time.monotonic() - self._last)
        self._seconds = time.monotonic() - self._started

    def row(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        took = sorted(self._took) or [0.0]
        return {
            "what": self.name,
            "seconds": round(self._seconds, 1),
            "wanted_per_second": self.rate,
            "per_second": round(self.begun / self._seconds, 1),
            "requests": self.begun,
            "answered": self.answered,
            "needed_a_retry": self.retried,
            "most_tries": self.most_tries,
            "failed": self.failed,
            "longest_gap_s": round(self.longest_gap, 2),
            "median_ms": round(1000 * took[len(took) // 2], 1),
            "p99_ms": round(1000 * took[int(len(took) * 0.99)], 1),
            "slowest_s": round(took[-1], 2),
            "tries_failed_by": dict(self.reasons.most_common()),
            "failures": self.failures[:20],
        }
