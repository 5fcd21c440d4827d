"""Tasks done on another host than the one whose turn it is: over a connection of their own, one at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping

from kprov.provision.engine.controller_names import LOCAL, LOCAL_NAMES
from kprov.provision.engine.errors import EngineError
from kprov.provision.engine.session import HostSession
from kprov.provision.transport.link import AgentLink


class Delegation:
    """The connections for tasks that are delegated. The host's own connection is its own thread's, so this is another.

    Args:
        sessions: every host, `localhost` included.
        connect: opens a connection. Raises Unreachable.
    """

    def __init__(self, sessions: Mapping[str, HostSession], connect: Callable[[HostSession], AgentLink]) -> None:
        self._sessions = sessions
        self._connect = connect
        self._links: dict[str, AgentLink] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def __call__(self, host: str) -> tuple[HostSession, AgentLink, threading.Lock]:
        """The host's session, its connection for delegated tasks, and the lock to hold while one is done.

        Raises:
            EngineError: there is no such host.
            Unreachable: it cannot be connected to.
        """
        name = LOCAL if host in LOCAL_NAMES and host not in self._sessions else host
        session = self._sessions.get(name) or next(
            (one for one in self._sessions.values() if one.host.address == name), None
        )
        if session is None:
            raise EngineError(f"delegate_to: the inventory has no host '{host}'")
        with self._lock:
            turn = self._turns.setdefault(session.name, threading.Lock())
        with turn:
            link = self._links.get(session.name)
            if link is None:
                link = self._links[session.name] = self._connect(session)
        return session, link, turn

    def links(self) -> list[AgentLink]:
        """Those that are open."""
        return list(self._links.values())

    def end(self) -> None:
        """Close them."""
        for link in self.links():
            with contextlib.suppress(OSError, EOFError):
                link.close()
        self._links.clear()
