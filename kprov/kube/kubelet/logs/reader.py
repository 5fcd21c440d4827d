"""Reads log files in CRI's form: ``TIME STREAM TAG TEXT``, where tag P means that the line goes on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

CHUNK = 64 * 1024
POLL = 0.25  # only while somebody follows


@dataclass(slots=True)
class LogOptions:
    """What ``kubectl logs`` asks for; ``since`` is an RFC 3339 time in UTC."""

    follow: bool = False
    tail: int | None = None
    since: str = ""
    timestamps: bool = False
    limit: int | None = None


class LogLine:
    """Makes what the client sees out of one line of the file."""

    def __init__(self, options: LogOptions) -> None:
        """``options`` decide on the timestamp and on lines that are too old."""
        self._options = options
        self._continues = False

    def render(self, raw: bytes) -> bytes:
        """The text of a line; empty where it is to be left out."""
        moment, _, rest = raw.partition(b" ")
        _, _, rest = rest.partition(b" ")
        tag, _, text = rest.partition(b" ")
        partial = tag.startswith(b"P")
        starts, self._continues = not self._continues, partial
        if self._options.since and _comparable(moment) < _comparable(self._options.since.encode()):
            return b""
        if partial:
            text = text.removesuffix(b"\n")
        return moment + b" " + text if self._options.timestamps and starts else text


def _comparable(moment: bytes) -> bytes:
    """RFC 3339 in UTC with nine digits after the point, so that text order is time order."""
    whole, _, fraction = moment.rstrip(b"Z").partition(b".")
    if moment.endswith(b"Z"):
        return whole + b"." + fraction.ljust(9, b"0")
    from datetime import UTC, datetime

    text = datetime.fromisoformat(moment.decode()).astimezone(UTC)
    return text.strftime("%Y-%m-%dT%H:%M:%S.%f000").encode()


async def read_log(
    path: Path, options: LogOptions, write: Callable[[bytes], Awaitable[None]], ended: Callable[[], Awaitable[bool]]
) -> None:
    """Write what ``path`` holds, and what comes, until the end (or, following, until ``ended`` says so).

    A file that is turned over while it is followed is read to its end before the new one. Raises FileNotFoundError.
    """
    remaining = options.limit
    line = LogLine(options)
    handle = path.open("rb")
    try:
        if options.tail is not None:
            handle.seek(tail_offset(path, options.tail))
        rest = b""
        last_round = False
        while True:
            chunk = handle.read(CHUNK)
            if chunk:
                *lines, rest = (rest + chunk).split(b"\n")
                out = b"".join(line.render(each + b"\n") for each in lines)
                if remaining is not None:
                    out = out[:remaining]
                    remaining -= len(out)
                if out:
                    await write(out)
                if remaining == 0:
                    return
                continue
            if not options.follow:
                return
            if _turned_over(path, handle.fileno()):
                # the writer may have finished its last lines between our read and the rename
                if not last_round:
                    last_round = True
                    continue
                handle.close()
                handle, last_round = path.open("rb"), False
                continue
            if last_round:
                return
            if await ended():
                last_round = True
                continue
            await asyncio.sleep(POLL)
    finally:
        handle.close()


def _turned_over(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino != os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def tail_offset(path: Path, lines: int) -> int:
    """Where the last ``lines`` whole entries of a file begin (an entry in parts counts once)."""
    size = path.stat().st_size
    if lines <= 0:
        return size
    step = CHUNK
    with path.open("rb") as handle:
        while True:
            start = max(size - step, 0)
            handle.seek(start)
            data = handle.read(size - start)
            found, end = 0, len(data)
            parts = data.split(b"\n")
            for line in reversed(parts if start == 0 else parts[1:]):
                if line and _ends_entry(line):
                    found += 1
                    if found > lines:
                        return start + end + 1
                end -= len(line) + 1
            if start == 0:
                return 0
            step *= 4


def _ends_entry(line: bytes) -> bool:
    parts = line.split(b" ", 3)
    return len(parts) < 3 or not parts[2].startswith(b"P")


def tail(path: Path, lines: int) -> bytes:
    """The text of the last ``lines`` lines; empty where there is no file."""
    try:
        with path.open("rb") as handle:
            handle.seek(tail_offset(path, lines))
            reader = LogLine(LogOptions())
            return b"".join(reader.render(line) for line in handle)
    except OSError:
        return b""
