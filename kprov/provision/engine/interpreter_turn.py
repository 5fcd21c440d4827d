"""Whose turn it is to compute.

Python lets one thread compute at a time, and a thread that makes a system call lets another one go on. With many hosts
that happened at every look at a file: a third of the controller's CPU went into passing the interpreter between CPUs.
So the threads of a play's hosts take turns: each computes until it waits for something, or has done so for long.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

# Who waits for something that nobody foresaw here keeps the others for so long, in seconds.
LONGEST = 0.1


class InterpreterTurn:
    """One thread's turn after the other's. It keeps nothing safe: who has been at it for too long is overtaken.

    Args:
        longest: seconds after which one is.
    """

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._free = threading.Condition()
        self._holder: int | None = None
        self._since = 0.0
        self._own = threading.local()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """This thread takes part while the block lasts, which begins when it is its turn."""
        self._own.waits = False
        self._take()
        try:
            yield
        finally:
            del self._own.waits
            self._give()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The thread waits for something, and others compute. Nothing where it takes no part, or waits already."""
        if getattr(self._own, "waits", True):
            yield
            return
        self._own.waits = True
        self._give()
        try:
            yield
        finally:
            self._take()
            self._own.waits = False

    @contextlib.contextmanager
    def holding(self, lock: threading.Lock | threading.Semaphore) -> Iterator[None]:
        """Hold a lock that others may have for long."""
        with self.waiting():
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _take(self) -> None:
        with self._free:
            while self._holder is not None:
                left = self._since + self._longest - time.monotonic()
                if left <= 0:
                    break
                self._free.wait(left)
            self._holder, self._since = threading.get_ident(), time.monotonic()

    def _give(self) -> None:
        with self._free:
            if self._holder == threading.get_ident():
                self._holder = None
                self._free.notify()


TURN = InterpreterTurn()
"""The interpreter is one for the whole process, and so is this."""
