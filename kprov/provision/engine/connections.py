"""A run's connections: made all at once, with lock and facts in one round trip; kept alive; ended."""

from __future__ import annotations

import contextlib
import getpass
import math
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kprov.provision.engine import gathered_facts, pool
from kprov.provision.engine.account import Account
from kprov.provision.engine.delegation import Delegation
from kprov.provision.engine.errors import EngineError
from kprov.provision.engine.fact_cache import FactCache
from kprov.provision.engine.interpreter_turn import TURN
from kprov.provision.engine.journal import JournalError
from kprov.provision.engine.machine_lock import MachineLocks
from kprov.provision.engine.result import HostState, Result, Status
from kprov.provision.engine.session import HostSession
from kprov.provision.transport.connect import connect as open_link
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.kept import KeptConnections
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target, target_of

if TYPE_CHECKING:
    from kprov.provision.inventory.model import Host
    from kprov.provision.inventory.timeouts import Timeouts

HEARTBEAT = 10.0


class Connections:
    """Connects sessions to their machines.

    Args:
        sessions: every host of the inventory.
        account: told how it stands with them.
        locks: takes the machines' locks; None: none is taken.
        forks: hosts at a time.
        timeouts: how long to wait.
        accept_new_host_keys: take unknown hosts' keys and remember them.
        cache: keeps the facts of each machine for later runs.
        keep_connections: seconds that connections outlive the run for the next one.
    """

    def __init__(
        self,
        sessions: Mapping[str, HostSession],
        account: Account,
        locks: MachineLocks | None,
        *,
        forks: int,
        timeouts: Timeouts,
        accept_new_host_keys: bool,
        cache: FactCache,
        keep_connections: float = 0.0,
    ) -> None:
        self._sessions = sessions
        self._account = account
        self._locks = locks
        self._forks = forks
        self._timeouts = timeouts
        self._accept_new_host_keys = accept_new_host_keys
        self._cache = cache
        self._kept = KeptConnections(keep_connections, account.warn)
        self.delegation = Delegation(sessions, self._open)
        """The connections for tasks that are delegated."""
        self._closing = threading.Event()
        self._heart: threading.Thread | None = None

    @property
    def closing(self) -> bool:
        """No connection is made or used any more."""
        return self._closing.is_set()

    # -- making them

    def connect(self, chosen: list[HostSession], *, facts: bool = True) -> None:
        """Connect hosts, all at once; what keeps one from it is in its state.

        Args:
            chosen: the hosts.
            facts: gather them now; else when one is read.
        """
        self._account.announce([session.name for session in chosen])
        if self._heart is None:
            self._heart = threading.Thread(target=self._beat, name="kprov-heartbeat", daemon=True)
            self._heart.start()
        pool.each(chosen, lambda session: self._connect(session, facts), self._forks, self.interrupted)

    def _connect(self, session: HostSession, facts: bool) -> None:
        if session.link is not None:
            return
        try:
            if not self._go_on(session, facts):
                session.link = self._open(session)
                session.state = self._take(session, session.link, facts)
        except Unreachable as error:
            self.end([session])
            session.state = HostState("awaited" if session.comes_later else "unreachable", error.message)
            session.facts_later = session.comes_later
        except JournalError:
            self.end([session])
            raise
        except Exception as error:  # one host's surprise must not stop the others
            self.end([session])
            session.state = HostState("unreachable", f"{type(error).__name__}: {error}")
        self._account.host_state(session)

    def _go_on(self, session: HostSession, facts: bool) -> bool:
        """Whether a host could be connected by what an earlier run left."""
        session.link = self._kept.take(self._target(session))
        if session.link is None:
            return False
        self._of_this_run(session.link)
        try:
            session.state = self._take(session, session.link, facts)
        except Unreachable:  # it is dead, or not what it was: a new one says whether the machine is
            self.end([session])
            return False
        return True

    def renew(self, session: HostSession, seconds: float) -> None:
        """A new connection in place of the one that a host has, which ends; facts stay as they were.

        Args:
            session: the host.
            seconds: for connecting, and for logging in, where that is less than the run has for them.

        Raises:
            Unreachable: why not; the host then has no connection.
            EngineError: the run ends.
        """
        self.end([session])
        if self.closing:
            raise EngineError("the run ends")
        link = self._open(session, seconds)
        try:
            if self._locks is None:
                link.wait(link.post("hello"), self._timeouts.facts)
            else:
                locked, _ = self._locks.taken(session.name, link, self._locks.post(link))
                if locked is not None:
                    raise Unreachable(locked.reason)
        except BaseException:
            with contextlib.suppress(OSError, EOFError):
                link.close()
            raise
        session.link = link
        session.state = HostState("connected")

    def leave(self, session: HostSession) -> None:
        """End a host's connection."""
        self.end([session])

    def _open(self, session: HostSession, seconds: float = math.inf) -> AgentLink:
        """A new connection to a host, whatever others there are."""
        target = self._target(session, seconds)
        # The agent is not waited for: lock and facts are asked for at once.
        link = open_link(target, accept_new=self._accept_new_host_keys, warn=self._account.warn, greet=False)
        return self._of_this_run(link)

    def _of_this_run(self, link: AgentLink) -> AgentLink:
        link.before_sending = self._account.journal.flush
        link.while_waiting = TURN.waiting
        return link

    def _target(self, session: HostSession, seconds: float = math.inf) -> Target:
        """The way to a host."""
        target = target_of(
            session.host,
            min(seconds, self._timeouts.connect),
            self._hosts(),
            login_timeout=min(seconds, self._timeouts.login),
            silence_timeout=self._timeouts.silence,
        )
        if session.become is not None:
            target = replace(target, become=session.become, unprivileged=not session.become)
        session.login = getpass.getuser() if target.local else target.user
        session.escalated = session.login == "root" or (target.become and target.become_user == "root")
        if not session.escalated and target.lock_path is None:
            # /run is root's. Runs as one user keep out of each other's way.
            target = replace(target, lock_path=f"/tmp/kprov-{session.login}.lock")  # noqa: S108 - a lock only
        return target

    def _hosts(self) -> dict[str, Host]:
        return {name: session.host for name, session in self._sessions.items()}

    def _take(self, session: HostSession, link: AgentLink, facts: bool) -> HostState:
        """Lock and facts, in one round trip."""
        locking = self._locks.post(link) if self._locks is not None else None
        session.facts_later = not facts
        before = time.time()
        gathering = self._gather(link) if facts else None if locking is not None else link.post("hello")
        link.confirm()
        if self._locks is not None and locking is not None:
            locked, waited = self._locks.taken(session.name, link, locking)
            if locked is not None:
                self.end([session])
                return locked
            if waited and gathering is not None:  # what was gathered meanwhile is old
                link.wait(gathering, self._timeouts.facts)
                before = time.time()
                gathering = self._gather(link)
        if gathering is None:
            return HostState("connected")
        if facts:
            session.learn(self._facts(session, link, gathering, before))
            session.remembered = False
        else:
            link.wait(gathering, self._timeouts.facts)
        return HostState("connected")

    def look(self, session: HostSession) -> dict[str, Any]:
        """The facts of a machine that the run is not for: asked without its lock, by a connection that ends at once.

        Raises:
            Unreachable: why not.
        """
        link = self._open(session)
        try:
            before = time.time()
            return self._facts(session, link, self._gather(link), before)
        finally:
            link.close()

    def _facts(self, session: HostSession, link: AgentLink, gathering: int, before: float) -> dict[str, Any]:
        result = link.wait(gathering, self._timeouts.facts)["result"]
        if result.get("failed"):
            raise Unreachable(f"its facts could not be gathered: {result.get('msg')}")
        facts = gathered_facts.checked(session.name, result)
        # Python's start lies between asking and gathering where the agent was not waited for.
        asked = max(before, link.greeted_at)
        facts["kprov_clock_offset_ms"] = round((facts["kprov_time"] - (asked + time.time()) / 2) * 1000)
        self._cache.keep(session.name, facts)
        return facts

    def _gather(self, link: AgentLink) -> int:
        return link.post("task", module="setup", arguments={}, queue=0, go_on=True)

    # -- keeping them

    def _beat(self) -> None:
        """Thread: agents end themselves when their controller falls silent; say now and then that it is there."""
        while not self._closing.wait(min(HEARTBEAT, self._timeouts.silence / 4)):
            own = (session.link for session in list(self._sessions.values()))
            for link in [*own, *self.delegation.links()]:
                if link is not None:
                    link.alive()
            self._account.tell_waits(self._timeouts.task)

    # -- ending them

    def end(self, sessions: Iterable[HostSession]) -> None:
        """End connections; the agents stop their child, unlock and leave."""
        links = []
        for session in sessions:
            if session.link is not None:
                links.append(session.link)
                session.link = None
        for link in links:
            with contextlib.suppress(OSError, EOFError):
                link.close()

    def lost(self, session: HostSession, where: str, error: Unreachable) -> Result:
        """A connection ended within the run: the host is out, and everyone is told.

        Args:
            session: the host.
            where: the phase or role that was under way.
            error: what is known of it.

        Returns:
            The result that was told.
        """
        self.end([session])
        session.state = HostState("unreachable", error.message)
        session.summary.unreachable = True
        session.summary.reason = error.message
        result = Result(session.name, "Connection", Status.UNREACHABLE, error.message)
        self._account.result(session.name, where, result)
        self._account.journal.sync()
        return result

    def interrupted(self) -> None:
        """Ctrl-C: end everything at once, so that what waits for answers wakes up."""
        with contextlib.suppress(JournalError):
            self._account.journal.write("interrupted")
            self._account.journal.sync()
        self.end_all()

    def close(self) -> bool:
        """No more connections.

        Returns:
            False when that had been said before.
        """
        if self._closing.is_set():
            return False
        self._closing.set()
        return True

    def keep(self, chosen: Iterable[HostSession] | None = None) -> None:
        """Leave connections to the next run, where that was asked for.

        Args:
            chosen: whose; all by default.
        """
        if not self._kept.wanted:
            return
        sessions = [
            session for session in (self._sessions.values() if chosen is None else chosen) if session.link is not None
        ]
        links = [session.link for session in sessions if session.link is not None]
        for session in sessions:
            session.link = None
        self._kept.keep(links)

    def end_all(self) -> None:
        """End every connection."""
        self.delegation.end()
        self.end(self._sessions.values())
