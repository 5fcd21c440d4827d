"""Watchers that see the same of a kind: what happens is put into words once for all of them.

A watcher that has read all that came before leaves the reading of events to its audience: the cache then writes to its
connection itself, the same bytes for everybody, without waking a task for each. One that doesn't read fast enough goes
back to a feed of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

from kprov.kube.apiserver.http.message import Outlet
from kprov.kube.apiserver.storage.entry import CacheEvent

if TYPE_CHECKING:
    from kprov.kube.apiserver.storage.feed import Feed

_log = logging.getLogger(__name__)
_LONGEST_GATHERING = 0.05  # seconds that an event may wait for others while much is told to many

Line = Callable[[CacheEvent], bytes | None]
"""The words for an event; None where the audience does not see it."""

Told = Callable[[int, int], None]
"""Takes the size of an event's words and to how many they are sent."""


def frame(content: bytes) -> bytes:
    """Content as HTTP/1.1 sends it where the length of the whole is not known."""
    return b"%x\r\n%b\r\n" % (len(content), content)


class Audience:
    """Feeds that their watchers do not read any more.

    Args:
        prefix: what the keys that they watch begin with.
        line: puts an event into words.
        most: bytes that are sent without asking whether the client reads.
        told: hears of each event.
    """

    def __init__(self, prefix: str, line: Line, most: int, told: Told | None = None) -> None:
        self._prefix, self._line, self._most, self._told = prefix, line, most, told
        self.feeds: dict[Feed, Outlet] = {}

    def tell(self, events: Sequence[CacheEvent]) -> None:
        """Send events to everybody."""
        pieces = list(self._pieces(events))
        if not pieces:
            return
        if len(pieces) == 1:
            ((only, end),) = pieces
            for feed, outlet in tuple(self.feeds.items()):
                if not outlet.send(only):
                    feed.fall_behind(events[end:])
            return
        for feed, outlet in tuple(self.feeds.items()):
            for sent, end in pieces:
                if not outlet.send(sent):
                    feed.fall_behind(events[end:])
                    break

    def _pieces(self, events: Sequence[CacheEvent]) -> Iterator[tuple[bytes, int]]:
        """Frames, each with the number of the event that comes after it."""
        lines: list[bytes] = []
        size, prefix = 0, self._prefix
        for number, event in enumerate(events, 1):
            if not event.current.key.startswith(prefix) or not (line := self._line(event)):
                continue
            lines.append(line)
            size += len(line)
            if self._told is not None:
                self._told(len(line), len(self.feeds))
            if size >= self._most:
                yield frame(b"".join(lines)), number
                lines, size = [], 0
        if lines:
            yield frame(b"".join(lines)), len(events)


class Audiences:
    """Every audience of a kind.

    Args:
        most: bytes that are sent to a client without asking whether it reads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._audiences: dict[Hashable, Audience] = {}
        self._audience_of: dict[Feed, Hashable] = {}
        self._untold: list[CacheEvent] = []
        self._telling: asyncio.Handle | None = None
        self._not_before = 0.0

    def __bool__(self) -> bool:
        return bool(self._audiences)

    def join(self, feed: Feed, key: Hashable, line: Line, outlet: Outlet, told: Told | None = None) -> None:
        """Put a feed, which has been read, into the audience of a key."""
        self.tell()  # it has read what the others have not been told
        whole = (feed.prefix, key)
        audience = self._audiences.get(whole)
        if audience is None:
            audience = self._audiences[whole] = Audience(feed.prefix, line, self._most, told)
        audience.feeds[feed] = outlet
        self._audience_of[feed] = whole

    def leave(self, feed: Feed) -> None:
        """Take a feed out of its audience, if it is in one."""
        key = self._audience_of.pop(feed, None)
        if key is None:
            return
        audience = self._audiences[key]
        del audience.feeds[feed]
        if not audience.feeds:
            del self._audiences[key]

    def tell_soon(self, event: CacheEvent) -> None:
        """Tell of an event, together with those that come at the same time.

        Telling a thousand watchers takes about as long for ten events as for one, so half of the time is left for
        others to come, and for requests to be answered. With few watchers, or few events, none waits.
        """
        self._untold.append(event)
        if self._telling is None:
            loop = asyncio.get_running_loop()
            pause = self._not_before - loop.time()
            self._telling = loop.call_later(pause, self.tell) if pause > 0 else loop.call_soon(self.tell)

    def tell(self) -> None:
        """Tell what has not been told yet."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if not self._untold:
            return
        events, self._untold = self._untold, []
        loop = asyncio.get_running_loop()
        began = loop.time()
        for audience in tuple(self._audiences.values()):
            try:
                audience.tell(events)
            except Exception:
                _log.exception("watches are ended: what happened cannot be put into words")
                for feed in tuple(audience.feeds):
                    feed.close()
        ended = loop.time()
        self._not_before = ended + min(ended - began, _LONGEST_GATHERING)
