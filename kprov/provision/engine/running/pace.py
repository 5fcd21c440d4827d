"""How far each host of a play is, for what must wait for others: results read across hosts, run_once, any_errors_fatal.

Hosts run on by themselves; only who needs something of another waits for it. A host that waits does not count among
those that are worked on at once, so nothing can wait for a host whose turn never comes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kprov.provision.engine.interpreter_turn import TURN

Position = tuple[int, ...]

_END: Position = (1 << 60,)


@dataclass(frozen=True)
class Failure:
    """A failure that stops all hosts: whose it is, the place of its task, and what happened."""

    host: str
    where: str
    why: str


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
        self._fatal: list[Failure] = []
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
        with TURN.waiting():
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

    def failed(self, host: str, why: str) -> None:
        """A host failed, and is out."""
        with self._condition:
            self._failed[host] = why
            self._condition.notify_all()

    def fatal(self, failure: Failure) -> None:
        """A failure stops all hosts."""
        with self._condition:
            self._fatal.append(failure)
            self._condition.notify_all()

    def fatal_since(self, heard: int) -> list[Failure]:
        """Failures that stop all hosts, but the first so many."""
        with self._condition:
            return self._fatal[heard:]

    def too_many(self) -> str:
        """Why the play ends for all, when more hosts have failed than may; else empty."""
        with self._condition:
            most, count = self._most_failures, len(self._failed)
            if most is not None and 100.0 * count / len(self._positions) > most:
                return f"{count} of {len(self._positions)} hosts failed, more than max_fail_percentage {most:g}"
            return ""
