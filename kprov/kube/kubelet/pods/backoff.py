"""Waiting longer after each failure, up to a bound, and starting afresh after a good while."""

from __future__ import annotations

import time
from collections.abc import Callable


class Backoff:
    """Delays by key: ``initial`` doubling to ``maximum``, forgotten after twice ``maximum`` without failure."""

    def __init__(self, initial: float = 10, maximum: float = 300, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since 1970, as the runtime's finish times do."""
        self.initial, self.maximum, self._clock = initial, maximum, clock
        self._entries: dict[str, tuple[float, float]] = {}  # key -> (delay, when it was last raised)

    def remaining(self, key: str, since: float) -> float:
        """Seconds still to wait before trying again what failed at ``since``; 0 is now."""
        entry = self._entries.get(key)
        if entry is None or since - entry[1] > 2 * self.maximum:
            return 0
        return max(since + entry[0] - self._clock(), 0)

    def delay(self, key: str) -> float:
        """The present delay of a key, 0 where it never failed."""
        return self._entries.get(key, (0.0, 0.0))[0]

    def raise_delay(self, key: str, since: float) -> None:
        """Count one more try: the next one waits twice as long, unless the last failure (``since``) is long ago."""
        entry = self._entries.get(key)
        if entry is None or since - entry[1] > 2 * self.maximum:
            delay = self.initial
        else:
            delay = min(entry[0] * 2, self.maximum)
        self._entries[key] = (delay, self._clock())

    def forget(self, prefix: str) -> None:
        """Drop every key that starts so."""
        for key in [key for key in self._entries if key.startswith(prefix)]:
            del self._entries[key]
