"""Where a host is in a run: its phase, the last task that it finished, and what it is at."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MOST_LETTERS = 100


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


def in_lines(busy: Sequence[AtWork], most: int) -> list[tuple[str, float]]:
    """What machines are at, in as few lines as possible: those at the same task share one.

    Args:
        busy: the machines and their tasks.
        most: so many names are shown in a line; the rest is counted.

    Returns: lines (``Install packages on cp1, cp2``) with the seconds of whoever is at it longest, the longest first.
    """
    together: dict[str, list[AtWork]] = {}
    for each in sorted(busy, key=lambda found: -found.seconds):
        together.setdefault(_one_line(each.task), []).append(each)
    lines = []
    for task, members in together.items():
        names = ", ".join(each.host for each in members[:most])
        more = f" and {len(members) - most} more" if len(members) > most else ""
        lines.append((f"{task} on {names}{more}", members[0].seconds))
    return lines


def _one_line(task: str) -> str:
    """A task's name; of one that is a script the beginning."""
    first, newline, _ = task.strip().partition("\n")
    return first.strip() if not newline and len(first) <= _MOST_LETTERS else f"{first[:_MOST_LETTERS].strip()} ..."
