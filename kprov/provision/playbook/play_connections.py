"""How the hosts of plays are connected to: all before the first play, some anew where a later one says it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kprov.provision.engine.engine import Engine
from kprov.provision.engine.session import HostSession
from kprov.provision.playbook.checks import Seen
from kprov.provision.playbook.play import Play

if TYPE_CHECKING:
    from kprov.provision.inventory.model import Host


@dataclass(frozen=True)
class Way:
    """What a play says of how a host is connected to, where the inventory, whose word is stronger, does not.

    Args:
        user: whom to log in as; None: as always.
        local: the controller itself stands for the host.
    """

    user: str | None = None
    local: bool = False

    @classmethod
    def of(cls, play: Play, host: Host) -> Way:
        """A play's way to a host, as the inventory has it."""
        if play.local and "ansible_connection" not in host.variables:
            return cls(local=True)
        return cls(user=play.remote_user if "ansible_user" not in host.variables else None)

    def to(self, host: Host) -> Host:
        """The host, to be connected to in this way."""
        if self.local:
            return replace(host, variables={**host.variables, "ansible_connection": "local"})
        return replace(host, user=self.user) if self.user is not None else host


class PlayConnections:
    """Connects the hosts of plays.

    Args:
        engine: has their connections.
        plays: all of them, in order.
        taking: the names of the hosts that a play is for, as far as the run is limited to them.
        tell: told what a person should know.
        facts: gather facts when a host is first connected to; else when one is read.
    """

    def __init__(
        self,
        engine: Engine,
        plays: Sequence[Seen],
        taking: Callable[[Seen], list[str]],
        tell: Callable[[str], None],
        *,
        facts: bool,
    ) -> None:
        self._engine = engine
        self._plays = plays
        self._taking = taking
        self._tell = tell
        self._facts = facts
        self._unlisted: dict[str, Host] = {}  # hosts that the inventory does not name, without what plays say of them
        self._ways: dict[str, Way] = {}

    def begin(self) -> list[str]:
        """Connect to every host that a play is for, as the first of its plays says. Returns their names."""
        plays = self._with_hosts(self._plays)
        first: dict[str, Seen] = {}
        for seen, hosts in plays:
            for name in hosts:
                first.setdefault(name, seen)
        for name, seen in first.items():
            self._go(self._engine.session(name), seen, plays)
        self._engine.connect(list(first), facts=self._facts)
        return list(first)

    def before(self, seen: Seen, hosts: Sequence[str]) -> None:
        """Connect to hosts that an earlier play added to the inventory, and to those that a play goes to otherwise.

        Args:
            seen: the play that is about to begin.
            hosts: the names of its hosts.
        """
        sessions = [self._engine.session(name) for name in hosts]
        new = [session for session in sessions if session.state.state == "new"]
        others = [
            session
            for session in sessions
            if session.state.takes_part and self._way(session, seen) != self._ways.get(session.name)
        ]
        if not new and not others:
            return
        rest = self._with_hosts(self._plays[self._place_of(seen) :])
        connected = [session.name for session in others if session.link is not None]
        self._engine.leave(connected)
        for session in (*new, *others):
            self._go(session, seen, rest)
        if new:
            self._engine.connect([session.name for session in new], facts=self._facts)
        if connected:
            play = seen.play
            self._tell(f"{play.location}: connecting anew, as the play '{play.name}' says: {', '.join(connected)}")
            self._engine.connect(connected, facts=False)  # most facts stay as they were

    def _with_hosts(self, plays: Sequence[Seen]) -> list[tuple[Seen, dict[str, None]]]:
        """Plays, and the names of each one's hosts, in their order."""
        return [(seen, dict.fromkeys(self._taking(seen))) for seen in plays]

    def _listed(self, session: HostSession) -> Host:
        """A host without what plays say of it."""
        found = self._engine.inventory.hosts.get(session.name)
        return found if found is not None else self._unlisted.setdefault(session.name, session.host)

    def _way(self, session: HostSession, seen: Seen) -> Way:
        return Way.of(seen.play, self._listed(session))

    def _go(self, session: HostSession, seen: Seen, plays: Sequence[tuple[Seen, Container[str]]]) -> None:
        """What a play says of how a host is connected to, and when; and whether these plays become another user."""
        way = self._ways[session.name] = self._way(session, seen)
        session.host = way.to(self._listed(session))
        self._engine.variables.forget(session.name)
        bears_all = str(seen.play.frame.ignore_unreachable).lower() in ("true", "yes", "on")
        session.comes_later = bears_all or ((seen.waits or seen.bears) and not seen.play.gather_facts)
        if "ansible_become" in session.host.variables:
            session.become = None
            return
        mine = [play for play, hosts in plays if session.name in hosts and self._way(session, play) == way]
        session.become = any(play.becomes or self._becomes_in_groups_made(play) for play in mine)

    def _becomes_in_groups_made(self, seen: Seen) -> bool:
        """Whether a play after one that makes groups may be for its hosts, too, and becomes another user."""
        return seen.groups and any(later.becomes for later in self._plays[self._place_of(seen) + 1 :])

    def _place_of(self, seen: Seen) -> int:
        return next(number for number, play in enumerate(self._plays) if play is seen)
