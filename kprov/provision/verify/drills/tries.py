"""What a client tried, when, and whether it was answered."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Try:
    """One try: when it began and how long it took, in seconds of one clock, and whether it was answered."""

    began: float
    took: float
    answered: bool


class Tries:
    """The tries of one client, in the order in which they ended. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Try] = []

    def add(self, began: float, took: float, answered: bool) -> None:
        """Note one."""
        with self._lock:
            self._all.append(Try(began, took, answered))

    def all(self) -> list[Try]:
        """Those that have ended until now."""
        with self._lock:
            return list(self._all)

    def answered_since(self, moment: float) -> int:
        """How many have begun since a moment, and were answered."""
        return sum(each.answered for each in self.all() if each.began >= moment)


def longest_pause(tries: list[Try], until: float | None = None) -> float:
    """The longest time between two answers, one after the other; the time since the last one counts, too.

    Args: ``until`` is the end of the observation; None: the end of the last try.
    """
    if not tries:
        return 0.0
    ends = [tries[0].began, *(each.began + each.took for each in tries if each.answered)]
    ends.append(until if until is not None else max(each.began + each.took for each in tries))
    return max(later - earlier for earlier, later in itertools.pairwise(ends))


def unanswered_span(tries: list[Try]) -> float:
    """From the beginning of the first try that was not answered to the end of the last one; 0 where all were."""
    failed = [each for each in tries if not each.answered]
    if not failed:
        return 0.0
    return max(each.began + each.took for each in failed) - min(each.began for each in failed)


def by_second(tries: list[Try], begin: float) -> list[tuple[int, int]]:
    """For each second since ``begin``: how many tries were answered, and how many were not, by when they ended."""
    seconds: dict[int, list[int]] = {}
    for each in tries:
        seconds.setdefault(max(0, int(each.began + each.took - begin)), [0, 0])[0 if each.answered else 1] += 1
    return [
        (seconds.get(second, [0, 0])[0], seconds.get(second, [0, 0])[1])
        for second in range(max(seconds, default=-1) + 1)
    ]
