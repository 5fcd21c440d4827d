"""Moments and lapses as Python's datetime shows them, which takes long to import."""

from __future__ import annotations

import time

_SECOND = 1000000


class Lapse:
    """A length of time.

    Args:
        microseconds: how long it is.
    """

    def __init__(self, microseconds: int) -> None:
        self._microseconds = microseconds

    def __str__(self) -> str:
        seconds, rest = divmod(self._microseconds, _SECOND)
        days, seconds = divmod(seconds, 86400)
        words = "%d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)
        if days:
            words = "%d day%s, %s" % (days, "" if abs(days) == 1 else "s", words)
        return words + (".%06d" % rest if rest else "")


class Moment:
    """A moment, by the machine's clock.

    Args:
        microseconds: since 1970.
    """

    def __init__(self, microseconds: int) -> None:
        self._microseconds = microseconds

    @classmethod
    def now(cls) -> Moment:
        """This one."""
        return cls(time.time_ns() // 1000)

    def __sub__(self, earlier: Moment) -> Lapse:
        return Lapse(self._microseconds - earlier._microseconds)

    def __str__(self) -> str:
        seconds, rest = divmod(self._microseconds, _SECOND)
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) + (".%06d" % rest if rest else "")
