"""Reads a user's file whole, or says why not: a pipe, a device, too large, not text."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from kprov.provision.vault.pipes import read_within

# An inventory of ten thousand machines is a few megabytes; more than this was not written for kprov.
LARGEST = 32 * 1024 * 1024

# Whoever writes to a pipe of the shell's may have to ask a person first.
PATIENCE = 300.0
_PIPES_OF_THE_SHELL = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


class Unreadable(Exception):
    """A file that can't be used. ``line`` counts from 1; None where the whole file is meant."""

    def __init__(self, reason: str, suggestion: str | None = None, line: int | None = None) -> None:
        self.reason = reason
        self.suggestion = suggestion
        self.line = line
        super().__init__(reason)


def read(path: Path, largest: int = LARGEST) -> bytes:
    """The bytes of a file, or of a pipe that the shell made for ``<(...)``. Raises Unreadable.

    Anything else is refused before it is opened: reading a pipe that nobody writes to never ends.
    """
    try:
        _check_kind(path)
        # Not blocking, for what became a pipe after the look at it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            data = read_within(descriptor, largest, PATIENCE)
        finally:
            os.close(descriptor)
    except TimeoutError:
        raise Unreadable(f"is a pipe, and nothing came from it in {PATIENCE:.0f} s") from None
    except FileNotFoundError:
        raise Unreadable("no such file") from None
    except ValueError:
        raise Unreadable("is no file's name: it has a NUL byte") from None
    except OSError as error:
        raise Unreadable(f"can't be read: {error.strerror}") from None
    if len(data) > largest:
        raise Unreadable(f"is larger than {largest // (1024 * 1024)} MiB: this is no file that kprov could use")
    return data


def _check_kind(path: Path) -> None:
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) or (stat.S_ISFIFO(mode) and str(path).startswith(_PIPES_OF_THE_SHELL)):
        return
    kind = next((name for test, name in _KINDS if test(mode)), "something else")
    raise Unreadable(f"is {kind}, not a file")


def is_file(path: Path) -> bool:
    """As ``Path.is_file``, but a name that no file can have (too long, with a NUL byte) is an answer, no error."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """As ``Path.exists``, with the same difference."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """As ``Path.is_dir``, with the same difference."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def decode(data: bytes) -> str:
    """The text of a file in UTF-8, a byte order mark left out. Raises Unreadable."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Unreadable("is UTF-16, not UTF-8", "save it as UTF-8", 1)
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"is not UTF-8 text (byte {error.start})", "save it as UTF-8", line) from None
    zero = text.find("\0")
    if zero >= 0:
        raise Unreadable("holds a NUL byte: it is not text", None, text.count("\n", 0, zero) + 1)
    return text
