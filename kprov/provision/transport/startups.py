"""Logins under way at one sshd: never so many that its MaxStartups (10:30:100 unless set) turns some of them away.

sshd counts connections that have not logged in yet, from all of its clients. Where it turns one away nevertheless, it
is tried again, with fewer at once from then on.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from kprov.provision.transport.errors import TurnedAway
from kprov.provision.transport.target import Target

T = TypeVar("T")

# sshd begins to turn away at ten; a few are left for other clients.
AT_ONCE = 8

# Seconds until the next try: doubled each time, up to the longest, and never quite the same for two.
SHORTEST, LONGEST = 0.1, 2.0


class Gate:
    """The way in to one sshd.

    Args:
        where: its address, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._changed = threading.Condition()
        self._at_once = AT_ONCE
        self._under_way = 0
        self._told = False
        self._let_in = 0.0

    @contextmanager
    def login(self) -> Iterator[None]:
        """A login, once there is room for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < self._at_once)
            self._under_way += 1
        try:
            yield
            self._let_in = time.monotonic()
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def through(self, log_in: Callable[[], T], patience: float, warn: Callable[[str], None] | None) -> T:
        """Log in, as often as it takes.

        Args:
            log_in: raises TurnedAway when sshd did not let it say a word.
            patience: seconds; given up when sshd has let nobody in for so long.
            warn: told once that sshd turns logins away.

        Raises:
            TurnedAway: for so long.
        """
        begun = time.monotonic()
        pause, tries = SHORTEST, 0
        while True:
            try:
                with self.login():
                    return log_in()
            except TurnedAway as error:
                tries += 1
                self._fewer(warn)
                now = time.monotonic()
                if now - max(begun, self._let_in) > patience:
                    raise TurnedAway(
                        f"{error.message} It was tried {tries} times in {now - begun:.0f} s (timeout login)"
                    ) from None
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, LONGEST)

    def _fewer(self, warn: Callable[[str], None] | None) -> None:
        with self._changed:
            self._at_once = max(1, self._at_once // 2)
            told, self._told = self._told, True
        if warn is not None and not told:
            warn(
                f"sshd on {self._where} turns logins away (its MaxStartups?): kprov makes fewer at once there, and "
                "tries again"
            )


_gates: dict[tuple[str, int, Target | None], Gate] = {}
_lock = threading.Lock()


def gate_of(target: Target) -> Gate:
    """The gate of the sshd that a target is reached at: behind two jump hosts, one address is two machines."""
    key = (target.address, target.port, target.jump)
    with _lock:
        return _gates.setdefault(key, Gate(f"{target.address}:{target.port}"))
