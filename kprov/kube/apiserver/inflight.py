"""Limits on requests at a time: what is beyond them is told to try again, so that nothing drowns."""

from __future__ import annotations

from kprov.kube.api import errors
from kprov.kube.apiserver.request import UserInfo

EXEMPT, READ_ONLY, MUTATING = "exempt", "read-only", "mutating"
LEVELS = (EXEMPT, READ_ONLY, MUTATING)
"""Whom a limit is for: nobody is refused at the first level, which is the administrators'."""


class Level:
    """What happened at one level."""

    __slots__ = ("dispatched", "executing", "rejected")

    def __init__(self) -> None:
        self.dispatched = self.executing = self.rejected = 0


class _Slot:
    """A place for one request, as a context."""

    __slots__ = ("_counts", "_level", "_read_only")

    def __init__(self, counts: dict[bool, int], read_only: bool, level: Level) -> None:
        self._counts, self._read_only, self._level = counts, read_only, level

    def __enter__(self) -> None:
        self._counts[self._read_only] += 1
        self._level.dispatched += 1
        self._level.executing += 1

    def __exit__(self, *_: object) -> None:
        self._counts[self._read_only] -= 1
        self._level.executing -= 1


class InFlight:
    """Counts the requests under way; 0 stands for no limit."""

    def __init__(self, reads: int, writes: int) -> None:
        self._limits = {True: reads, False: writes}
        self.counts = {True: 0, False: 0}
        self.levels = {name: Level() for name in LEVELS}
        self._level_of = {True: self.levels[READ_ONLY], False: self.levels[MUTATING]}

    def slot(self, read_only: bool, user: UserInfo) -> _Slot:
        """A place for one request. Raises ApiError (429) where there is none; administrators always pass."""
        if "system:masters" in user.groups:
            return _Slot(self.counts, read_only, self.levels[EXEMPT])
        limit, level = self._limits[read_only], self._level_of[read_only]
        if limit and self.counts[read_only] >= limit:
            level.rejected += 1
            raise errors.too_many_requests("Too many requests, please try again later.", 1)
        return _Slot(self.counts, read_only, level)

    def limit_of(self, level: str) -> int:
        """How many requests a level lets in at a time; 0 for any number."""
        return {READ_ONLY: self._limits[True], MUTATING: self._limits[False]}.get(level, 0)

    @property
    def total(self) -> int:
        """All requests under way, streams aside."""
        return self.counts[True] + self.counts[False]
