"""Where a host is in a run: its phase, the last task that it finished, and what it is at."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class AtWork:
    """The task that a host is at."""

    host: str
    task: str
    seconds: float


class Whereabouts:
    """One host's place.

    Args:
        host: its name.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._sent: dict[int, str] = {}
        self._since = 0.0
        self.phase = ""
        self.finished = ""

    def sent(self, number: int, task: str, phase: str) -> None:
        """A task left for the machine."""
        with self._lock:
            if not self._sent:
                self._since = time.monotonic()
            self._sent[number] = task
            self.phase = phase or self.phase

    def ended(self, number: int | None, task: str) -> None:
        """A task's answer came; the machine is at the next one."""
        with self._lock:
            if number is not None:
                self._sent.pop(number, None)
            self._since = time.monotonic()
            self.finished = task

    def dropped(self, numbers: Iterable[int]) -> None:
        """These were not done, because one before them failed."""
        with self._lock:
            for number in numbers:
                self._sent.pop(number, None)

    @property
    def in_flight(self) -> list[str]:
        """What was sent and not answered, in its order."""
        with self._lock:
            return list(self._sent.values())

    def at_work(self, longer_than: float) -> AtWork | None:
        """The task that the machine is at, when it has been for longer than so many seconds."""
        with self._lock:
            if not self._sent:
                return None
            seconds = time.monotonic() - self._since
            return AtWork(self._host, next(iter(self._sent.values())), seconds) if seconds > longer_than else None
