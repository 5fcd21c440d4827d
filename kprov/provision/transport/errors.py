"""Why a machine could not be reached, each with what a person can do about it."""

from __future__ import annotations


class Unreachable(Exception):
    """A machine could not be reached, or not used once reached.

    Args:
        message: what is wrong and what to do.
    """

    kind = "unreachable"

    def __init__(self, message: str) -> None:
        # Much of it may be what a machine said: it must not steer the terminal on which it is read.
        self.message = "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in message)
        super().__init__(self.message)


class NameNotResolved(Unreachable):
    """The host's name has no address."""

    kind = "name"


class Refused(Unreachable):
    """Nothing listens there."""

    kind = "refused"


class TimedOut(Unreachable):
    """No answer in time."""

    kind = "timeout"


class HostKeyUnknown(Unreachable):
    """The host's key is neither pinned nor known."""

    kind = "host key"


class HostKeyMismatch(Unreachable):
    """The host has another key than the known one."""

    kind = "host key"


class AuthenticationRefused(Unreachable):
    """The host let nobody in."""

    kind = "authentication"


class PythonMissing(Unreachable):
    """There is no Python on the machine that the agent could run with."""

    kind = "python"


class SudoRefused(Unreachable):
    """The user may not become root."""

    kind = "sudo"


class ConnectionLost(Unreachable):
    """The connection ended while it was needed."""

    kind = "lost"


class ProtocolBroken(Unreachable):
    """What answers on the machine is not, or no longer, kprov's agent."""

    kind = "protocol"


class TurnedAway(ConnectionLost):
    """The host took the connection and closed it before it said anything, as sshd does beyond MaxStartups."""

    kind = "turned away"
