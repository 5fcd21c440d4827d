"""Runs one program to its end.

It stays in the controller's own process group: it may ask its user at the terminal, and Ctrl-C reaches it. What it
leaves running, and what that prints, is not waited for: the program's own end counts.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PIECE = 64 * 1024
# What a pipe can hold at most (Linux, pipe(7)): all that one that has ended can have left in it.
_PIPE = 1024 * 1024
# How much of the end of its errors is kept.
_LAST_WORDS = 16 * 1024
# While what it left running holds its pipes, its end is looked for so often: seconds.
_LOOK = 0.05


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Args:
        code: what it exited with; the negated number of the signal that ended it.
        output: all that it wrote to its standard output.
        errors: the last of what it wrote to its standard error; empty where that went to the terminal.
    """

    code: int
    output: bytes
    errors: bytes

    @property
    def text(self) -> str:
        """Its output; bytes that are no UTF-8 are replaced."""
        return self.output.decode(errors="replace")

    @property
    def error_text(self) -> str:
        """The last of its errors, without the white space around it."""
        return self.errors.decode(errors="replace").strip()

    @property
    def last_words(self) -> str:
        """The same; of its output, where it wrote no errors. Not for one whose output may be secret."""
        return self.error_text or self.text.strip()[-_LAST_WORDS:]


class TookTooLong(Exception):
    """It did not end in its time, and was killed."""


class PrintedTooMuch(Exception):
    """It printed more than it may, and was killed."""


def run(
    command: Sequence[str] | str,
    *,
    seconds: float,
    most: int,
    folder: Path | None = None,
    asks: bool = False,
) -> Ended:
    """Run a program and wait for its end.

    Args:
        command: the program and its arguments; a text is a command for the shell.
        seconds: how long it may take.
        most: bytes that it may write to its standard output.
        folder: where it runs; None: where kprov does.
        asks: it may ask its user: it has kprov's standard input and standard error. Else it has an empty input.

    Raises:
        TookTooLong, PrintedTooMuch: it was killed.
        OSError: it can't be run.
    """
    process = subprocess.Popen(
        command,
        shell=isinstance(command, str),
        stdin=None if asks else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if asks else subprocess.PIPE,
        cwd=folder,
    )
    try:
        output, errors = _read(process, time.monotonic() + seconds, most)
        return Ended(process.wait(), bytes(output), bytes(errors))
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        if process.poll() is None:
            process.kill()
            process.wait()


def _read(process: subprocess.Popen[bytes], deadline: float, most: int) -> tuple[bytearray, bytearray]:
    """What it says until its end."""
    output, errors, rounds = bytearray(), bytearray(), _PIPE // _PIECE
    with selectors.DefaultSelector() as waiting:
        for pipe, kept in ((process.stdout, output), (process.stderr, errors)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                waiting.register(pipe, selectors.EVENT_READ, kept)
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            ended = _has_ended(process, 0.0 if waiting.get_map() else left)
            if left == 0.0 and not ended:
                raise TookTooLong
            # Of one that has ended, what is in the pipes already is taken, and no more.
            ready = waiting.select(0 if ended else min(left, _LOOK)) if waiting.get_map() else []
            for key, _ in ready:
                piece = os.read(key.fd, _PIECE)
                if not piece:
                    waiting.unregister(key.fileobj)
                key.data.extend(piece)
            del errors[:-_LAST_WORDS]
            if len(output) > most:
                raise PrintedTooMuch
            rounds -= ended
            if ended and (not ready or rounds <= 0):
                return output, errors


def _has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
