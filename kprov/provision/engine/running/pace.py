"""How far each host of a play is, for what must wait for others: results read across hosts, run_once, any_errors_fatal.

Hosts run on by themselves; only who needs something of another waits for it. A host that waits does not count among
those that are worked on at once, so nothing can wait for a host whose turn never comes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

Position = tuple[int, ...]

_END: Position = (1 << 60,)


class Pace:
    """The positions of a batch's hosts.

    Args:
        hosts: them, in order.
        forks: how many are worked on at once.
        most_failures: the percentage of hosts of which more must not fail; None: any.
    """

    def __init__(self, hosts: Sequence[str], forks: int, most_failures: float | None = None) -> None:
        self._positions: dict[str, Position] = dict.fromkeys(hosts, ())
        self._gone: set[str] = set()
        self._failed: dict[str, str] = {}
        self._fatal: dict[str, str] = {}
        self._most_failures = most_failures
        self._condition = threading.Condition()
        self._turns = threading.BoundedSemaphore(max(1, forks))

    # -- turns

    def begin(self) -> None:
        """Wait for a turn to work."""
        self._turns.acquire()

    def end(self, host: str) -> None:
        """The host is through, or out: nobody waits for it any more."""
        with self._condition:
            self._gone.add(host)
            self._positions[host] = _END
            self._condition.notify_all()
        self._turns.release()

    # -- positions

    def reached(self, host: str, position: Position) -> None:
        """All that the host did before a position is known."""
        with self._condition:
            if self._positions[host] != position:
                self._positions[host] = position
                self._condition.notify_all()

    def is_behind(self, host: str, position: Position) -> bool:
        """Whether a host of this batch has not yet come to a position."""
        with self._condition:
            return self._positions.get(host, _END) < position

    def wait_for_all(self, position: Position) -> None:
        """Wait until every other host has come to a position, or is out."""
        self._wait(lambda: all(other >= position for other in self._positions.values()))

    def wait_for(self, host: str, position: Position) -> None:
        """Wait until a host has come to a position."""
        self._wait(lambda: self._positions.get(host, _END) >= position)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that another host brings about (it calls `tell`)."""
        self._wait(condition)

    def tell(self) -> None:
        """Something has come about."""
        with self._condition:
            self._condition.notify_all()

    def _wait(self, condition: Callable[[], bool]) -> None:
        with self._condition:
            if condition():
                return
        self._turns.release()
        with self._condition:
            while not condition():
                self._condition.wait(timeout=1.0)
        self._turns.acquire()

    # -- who is left

    def first(self) -> str | None:
        """The first host that is still at work."""
        with self._condition:
            return next((host for host in self._positions if host not in self._gone), None)

    def failed(self, host: str, why: str, fatal: bool) -> None:
        """A host failed; a fatal failure ends the play for all others."""
        with self._condition:
            self._failed[host] = why
            if fatal:
                self._fatal.setdefault(host, f"any error is fatal, and {host} failed: {why}")
            self._condition.notify_all()

    def fatal(self, host: str) -> str:
        """Why the play ends for a host that did not fail itself; empty when it goes on."""
        with self._condition:
            found = next((words for other, words in self._fatal.items() if other != host), "")
            most, count = self._most_failures, len(self._failed)
            if not found and most is not None and 100.0 * count / len(self._positions) > most:
                found = f"{count} of {len(self._positions)} hosts failed, more than max_fail_percentage {most:g}"
            return found
