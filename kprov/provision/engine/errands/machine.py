"""A machine as an errand sees it: asked one question after the other, and connected to anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kprov.provision.engine.session import HostSession
from kprov.provision.engine.time_limits import TimeLimits
from kprov.provision.engine.waiting import TELL_SECONDS, progress
from kprov.provision.inventory.timeouts import in_words
from kprov.provision.transport.errors import Unreachable

T = TypeVar("T")


class ErrandFailed(Exception):
    """The errand came to nothing.

    Args:
        message: why, and what to do.
        data: what else its result says.
    """

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class NotYet(Exception):
    """What is waited for has not come about; says what is missing."""


@dataclass(frozen=True)
class Machine:
    """One machine.

    Attributes:
        session: the host.
        limits: the time that its tasks have, and its agent.
        renew: connects to it anew, within so many seconds; raises Unreachable.
        leave: ends the connection to it.
        tell: told what is waited for.
        directory: what relative paths of the controller begin at.
        check, diff: the task's.
        user: whom the task runs as; None: the agent's own.
        environment: of programs.
    """

    session: HostSession
    limits: TimeLimits
    renew: Callable[[HostSession, float], None]
    leave: Callable[[HostSession], None]
    tell: Callable[[str], None]
    directory: Path
    check: bool = False
    diff: bool = False
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        return self.session.name

    @property
    def is_controller(self) -> bool:
        """It is not connected to: it is this machine itself."""
        return str(self.session.host.variables.get("ansible_connection")) == "local"

    def ask(self, module: str, **arguments: Any) -> dict[str, Any]:
        """A module's result; its failure is one, too. Check mode holds for the errand, not for what it asks.

        Raises:
            Unreachable: the connection was lost.
        """
        message: dict[str, Any] = {"module": module, "arguments": arguments, "queue": self.session.queue}
        if self.user:
            message["become_user"] = self.user
        if self.environment:
            message["environment"] = dict(self.environment)
        number = self.limits.link.post("task", go_on=True, **message)
        result: dict[str, Any] = self.limits.wait(number)["result"]
        return result

    def connect_anew(self, seconds: float) -> None:
        """A new connection instead of the old one, which ends.

        Raises:
            Unreachable: not within so many seconds.
        """
        self.limits.drop(f"{self.name} was being connected to anew")
        self.renew(self.session, seconds)
        assert self.session.link is not None
        self.limits.take(self.session.link)

    def disconnect(self) -> None:
        """End the connection."""
        self.limits.drop(f"{self.name} was disconnected")
        self.leave(self.session)

    def until(self, attempt: Callable[[float], T], what: str, seconds: float, parameter: str, pause: float = 1.0) -> T:
        """Try until it succeeds.

        Args:
            attempt: given the seconds that are left; raises Unreachable or NotYet where it does not succeed.
            what: what is waited for.
            seconds: until it is given up.
            parameter: which of the task's parameters says so.
            pause: seconds between two attempts.

        Raises:
            ErrandFailed: the time is up; says what was missing last.
        """
        begun = told = time.monotonic()
        while True:
            left = begun + seconds - time.monotonic()
            try:
                return attempt(max(1.0, left))
            except Unreachable as error:
                missing = error.message
            except NotYet as error:
                missing = str(error)
            now = time.monotonic()
            if now + pause >= begun + seconds:
                raise ErrandFailed(
                    f"gave up waiting for {what} after {in_words(seconds)} (its parameter {parameter}): {missing}"
                )
            if now - told >= TELL_SECONDS:
                told = now
                self.tell(progress(what, now - begun, seconds, parameter) + f": {missing}")
            time.sleep(pause)
