"""Tells of machines that have been at one task for long, so that nobody takes a run for one that hangs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping

from kprov.provision.engine.session import HostSession
from kprov.provision.engine.waiting import TELL_SECONDS, progress
from kprov.provision.engine.whereabouts import in_lines

# More machines than these are only counted.
_MOST = 5


class TaskWaits:
    """Tells it now and then, however often it is asked to.

    Args:
        sessions: the hosts.
        tell: tells the person.
    """

    def __init__(self, sessions: Mapping[str, HostSession], tell: Callable[[str], None]) -> None:
        self._sessions, self._tell = sessions, tell
        self._told = 0.0

    def tell(self, limit: float) -> None:
        """Tell which machines have been at one task for long.

        Args:
            limit: the seconds that a task may take.
        """
        now = time.monotonic()
        if now - self._told < TELL_SECONDS:
            return
        self._told = now
        here = [session for session in self._sessions.values() if session.link is not None]
        busy = [found for session in here if (found := session.whereabouts.at_work(TELL_SECONDS))]
        lines = in_lines(busy, _MOST)
        # Who tells it keeps the machines' connections alive: a terminal that is gone must not end that.
        with contextlib.suppress(OSError, ValueError):
            for text, seconds in lines[:_MOST]:
                self._tell(progress(text, seconds, limit, "task"))
            if len(lines) > _MOST:
                self._tell(f"waiting for {len(lines) - _MOST} more tasks")
