"""What fuzzing allows: so much time, mistakes that are said in words, files in memory."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SLOWEST = 20.0

_FOLDER = tempfile.TemporaryDirectory(prefix="kprov-fuzz-", dir="/dev/shm")
FOLDER = Path(_FOLDER.name)


class Hang(Exception):
    """It took too long."""


@contextmanager
def time_limit(seconds: float = SLOWEST) -> Iterator[None]:
    """Raise Hang when what is within takes longer."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"took more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def only(*kinds: type[Exception], begins: str = "") -> Iterator[None]:
    """Let mistakes pass that are said in words."""
    try:
        yield
    except kinds as error:
        if not str(error).strip() or not str(error).startswith(begins):
            raise AssertionError("it does not say what is wrong") from error
