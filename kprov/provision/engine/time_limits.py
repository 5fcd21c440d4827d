"""The time that a host's tasks have: told to its agent, which ends them; and how long the controller waits for that."""

from __future__ import annotations

import time
from typing import Any

from kprov.provision.inventory.timeouts import Timeouts, in_words
from kprov.provision.transport.errors import TimedOut, Unreachable
from kprov.provision.transport.link import AgentLink


class TimeLimits:
    """The limits of one phase on one host, from now on.

    Args:
        link: the host's agent; None: it is not connected yet.
        timeouts: the run's.
        missing: why it is not.
    """

    def __init__(self, link: AgentLink | None, timeouts: Timeouts, missing: str = "") -> None:
        self._link = link
        self._missing = missing
        self._timeouts = timeouts
        self._end = time.monotonic() + timeouts.phase

    @property
    def link(self) -> AgentLink:
        """The host's agent.

        Raises:
            Unreachable: it is not connected.
        """
        if self._link is None:
            raise Unreachable(self._missing or "it is not connected")
        return self._link

    def take(self, link: AgentLink) -> None:
        """Another agent takes the old one's place: the machine was connected to anew."""
        self._link = link
        self.tell()

    def drop(self, why: str) -> None:
        """There is no agent until another one takes the place."""
        self._link, self._missing = None, why

    def tell(self, task: float | None = None) -> None:
        """Tell the agent; it holds for what is sent from now on.

        Args:
            task: the seconds of a task, where they are others than usual.
        """
        if self._link is None:
            return
        left = round(max(0.0, self._end - time.monotonic()), 3)
        limits = {"task": task or self._timeouts.task, "phase": self._timeouts.phase, "left": left}
        self._link.tell("limits", **limits, finish=self._timeouts.finish)

    @property
    def phase_is_over(self) -> str:
        """What to say of a phase whose time is up; "" while it is not."""
        if time.monotonic() < self._end:
            return ""
        return f"not begun: the phase is not over {self._timeouts.expired('phase')}"

    def wait(self, number: int, task: float | None = None) -> dict[str, Any]:
        """Wait for an answer to what is the next to be answered.

        Raises:
            Unreachable: the connection was lost, or the agent neither ended the task in time nor said so.
        """
        now = time.monotonic()
        limit = min(task or self._timeouts.task, max(0.0, self._end - now))
        # The agent ends the task; it gets a while to say so.
        patience = limit + self._timeouts.silence
        try:
            return self.link.wait(number, patience)
        except TimedOut:
            if time.monotonic() - now < patience:
                raise
            raise TimedOut(
                f"{self.link.target.name} has neither done its task nor ended it after {in_words(patience)} (timeout "
                "task, and silence to say so): does a disk or a network file system there not answer?"
            ) from None
