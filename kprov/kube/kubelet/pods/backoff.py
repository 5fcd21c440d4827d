"""Waiting longer after each failure, up to a bound, and starting afresh after a good while."""

from __future__ import annotations

import time
from collections.abc import Callable


class Backoff:
    """Delays by key: ``initial`` doubling to ``maximum``, forgotten after twice ``maximum`` without failure.

    A failure's own time is the runtime's: seconds since 1970. From when it is first told here on, a steady clock
    counts: a jump of the machine's time must not hold up a container for as long as the jump is.
    """

    def __init__(
        self,
        initial: float = 10,
        maximum: float = 300,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` gives seconds since 1970, ``steady`` those of a clock that nobody sets."""
        self.initial, self.maximum, self._clock, self._steady = initial, maximum, clock, steady
        self._entries: dict[str, tuple[float, float]] = {}  # key -> (delay, when it was last raised)
        self._failures: dict[str, tuple[float, float]] = {}  # key -> (its own time, the steady clock's)

    def _failed_at(self, key: str, since: float) -> float:
        known = self._failures.get(key)
        if known is None or known[0] != since:
            known = self._failures[key] = (since, self._steady() - max(self._clock() - since, 0))
        return known[1]

    def remaining(self, key: str, since: float) -> float:
        """Seconds still to wait before trying again what failed at ``since``; 0 is now."""
        entry = self._entries.get(key)
        if entry is None or (failed := self._failed_at(key, since)) - entry[1] > 2 * self.maximum:
            return 0
        return max(failed + entry[0] - self._steady(), 0)

    def delay(self, key: str) -> float:
        """The present delay of a key, 0 where it never failed."""
        return self._entries.get(key, (0.0, 0.0))[0]

    def raise_delay(self, key: str, since: float) -> None:
        """Count one more try: the next one waits twice as long, unless the last failure (``since``) is long ago."""
        entry = self._entries.get(key)
        if entry is None or self._failed_at(key, since) - entry[1] > 2 * self.maximum:
            delay = self.initial
        else:
            delay = min(entry[0] * 2, self.maximum)
        self._entries[key] = (delay, self._steady())

    def forget(self, prefix: str) -> None:
        """Drop every key that starts so."""
        for known in (self._entries, self._failures):
            for key in [key for key in known if key.startswith(prefix)]:
                del known[key]
