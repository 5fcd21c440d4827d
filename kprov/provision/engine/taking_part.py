"""What every phase on hosts has, whatever it runs there: who takes part, who is left out, and what it cost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kprov.provision.engine.account import Account
from kprov.provision.engine.result import PhaseResult
from kprov.provision.engine.session import HostSession


@dataclass(frozen=True)
class TakingPart:
    """A phase under way.

    Attributes:
        sessions: the hosts that take part, in order.
        result: what becomes of it.
    """

    sessions: list[HostSession]
    result: PhaseResult

    @property
    def names(self) -> list[str]:
        """The hosts' names."""
        return [session.name for session in self.sessions]

    def leave_out(self, sessions: Sequence[HostSession], why: str) -> None:
        """Hosts that it does not come to any more."""
        for session in sessions:
            self.result.left_out[session.name] = why


@contextlib.contextmanager
def taking_part(
    account: Account, title: str, sessions: Sequence[HostSession], variables: Mapping[str, Any]
) -> Iterator[TakingPart]:
    """A phase for as long as the block lasts; hosts that are not connected or have failed are left out.

    Args:
        account: told of it.
        title: its title.
        sessions: the hosts that it is for.
        variables: its own; secrets among them are masked from now on.
    """
    taking = [session for session in sessions if session.state.takes_part]
    recorder = account.begin_phase(title, [session.name for session in taking])
    phase = TakingPart(taking, recorder.result)
    for session in sessions:
        if session not in taking:
            phase.leave_out([session], session.state.reason or session.state.state)
    account.secrets.add_from(variables)
    before = {session.name: (session.link, session.link.round_trips) for session in taking if session.link}
    try:
        yield phase
    finally:
        phase.result.round_trips = max((_round_trips(session, before) for session in taking), default=0)
        account.end_phase(recorder)


def _round_trips(session: HostSession, before: Mapping[str, tuple[object, int]]) -> int:
    """How often a host was waited for; of one that was connected to anew, since then."""
    if session.link is None:
        return 0
    link, trips = before.get(session.name, (None, 0))
    return session.link.round_trips - (trips if link is session.link else 0)
