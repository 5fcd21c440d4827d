"""What a controller has asked for and not yet seen come back through its informer.

Without it, a controller that created a pod and then read a cache that does not know it yet would create another one.
An expectation that is not met within five minutes is dropped: the event was lost, and the caches are right again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

EXPIRY_SECONDS = 300.0


@dataclass(slots=True)
class _Expected:
    creations: int = 0
    deletions: set[str] = field(default_factory=set)
    since: float = field(default_factory=time.monotonic)


class Expectations:
    """Counts of creations, and names of deletions, that are still to be seen, by the owner's key."""

    def __init__(self) -> None:
        self._expected: dict[str, _Expected] = {}

    def satisfied(self, key: str) -> bool:
        """Whether nothing is outstanding, so that the cache may be believed."""
        expected = self._expected.get(key)
        if expected is None:
            return True
        if expected.creations <= 0 and not expected.deletions:
            return True
        return time.monotonic() - expected.since > EXPIRY_SECONDS

    def expect(self, key: str, creations: int = 0, deletions: set[str] | None = None) -> None:
        """Replace what is expected for a key."""
        self._expected[key] = _Expected(creations, set(deletions or ()))

    def raise_creations(self, key: str, count: int) -> None:
        """Expect more creations, on top of those outstanding."""
        self._expected.setdefault(key, _Expected()).creations += count

    def created(self, key: str) -> None:
        """A creation was seen, or failed."""
        if (expected := self._expected.get(key)) is not None:
            expected.creations -= 1

    def deleted(self, key: str, child: str) -> None:
        """A deletion was seen, or failed."""
        if (expected := self._expected.get(key)) is not None:
            expected.deletions.discard(child)

    def forget(self, key: str) -> None:
        """The owner is gone."""
        self._expected.pop(key, None)
