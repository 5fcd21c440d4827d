"""A wait for a condition: how long it has lasted, how long it may, and what is still missing."""

from __future__ import annotations

import time
from collections.abc import Callable

from kprov.provision.inventory.timeouts import Timeouts, in_words

# A wait that is over sooner is no news.
TELL_SECONDS = 10.0


class WaitedTooLong(Exception):
    """What was waited for did not come about in time."""


def progress(what: str, passed: float, limit: float, kind: str) -> str:
    """``waiting for etcd's quorum, 12 s of 1m30s (quorum)``."""
    return f"waiting{' for ' if what else ''}{what}, {passed:.0f} s of {in_words(limit)} ({kind})"


class Wait:
    """One wait.

    Args:
        what: what is waited for, and where: it comes after "waiting for".
        kind: which of the timeouts ends it.
        timeouts: all of them.
        tell: told every ten seconds that the wait goes on, and what is missing.
        raises: what is raised at its end.
    """

    def __init__(
        self,
        what: str,
        kind: str,
        timeouts: Timeouts,
        tell: Callable[[str], None] | None = None,
        raises: type[Exception] = WaitedTooLong,
    ) -> None:
        self._what = what
        self._kind = kind
        self._limit = timeouts.of(kind)
        self._ending = timeouts.expired(kind)
        self._tell = tell
        self._raises = raises
        self._begun = time.monotonic()
        self._told = self._begun

    @property
    def passed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    def longer(self, missing: str = "", pause: float = 0.3) -> None:
        """Wait a moment more.

        Args:
            missing: what is still missing.
            pause: seconds until the next look.

        Raises: what `raises` says, when the time is up.
        """
        now = time.monotonic()
        detail = f": {missing}" if missing else ""
        if now - self._begun >= self._limit:
            raise self._raises(f"gave up waiting for {self._what} {self._ending}{detail}")
        if self._tell is not None and now - self._told >= TELL_SECONDS:
            self._told = now
            self._tell(progress(self._what, now - self._begun, self._limit, self._kind) + detail)
        time.sleep(min(pause, max(0.0, self._begun + self._limit - now)))
