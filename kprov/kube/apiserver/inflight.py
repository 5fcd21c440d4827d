"""Limits on requests at a time: what is beyond them is told to try again, so that nothing drowns."""

from __future__ import annotations

from kprov.kube.api import errors
from kprov.kube.apiserver.request import UserInfo


class _Slot:
    """A place for one request, as a context."""

    __slots__ = ("_counts", "_read_only")

    def __init__(self, counts: dict[bool, int], read_only: bool) -> None:
        self._counts, self._read_only = counts, read_only

    def __enter__(self) -> None:
        self._counts[self._read_only] += 1

    def __exit__(self, *_: object) -> None:
        self._counts[self._read_only] -= 1


class InFlight:
    """Counts the requests under way; 0 stands for no limit."""

    def __init__(self, reads: int, writes: int) -> None:
        self._limits = {True: reads, False: writes}
        self.counts = {True: 0, False: 0}

    def slot(self, read_only: bool, user: UserInfo) -> _Slot:
        """A place for one request. Raises ApiError (429) where there is none; administrators always pass."""
        limit = self._limits[read_only]
        if limit and self.counts[read_only] >= limit and "system:masters" not in user.groups:
            raise errors.too_many_requests("Too many requests, please try again later.", 1)
        return _Slot(self.counts, read_only)

    @property
    def total(self) -> int:
        """All requests under way, streams aside."""
        return self.counts[True] + self.counts[False]
