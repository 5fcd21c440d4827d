"""One connection to a jump host, however many machines are behind it: each is a channel through it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, Protocol, TypeVar

from kprov.provision.transport.target import Target


class Connection(Protocol):
    """An open connection."""

    def close(self) -> None:
        """End it."""


C = TypeVar("C", bound=Connection)


class _Shared(Generic[C]):
    def __init__(self) -> None:
        self.opened: Future[C] = Future()
        self.users = 1


class Share(Generic[C]):
    """One user's share of a connection.

    Args:
        hosts: whose connection it is.
        shared: the connection and its users.
    """

    def __init__(self, hosts: JumpHosts[C], shared: _Shared[C]) -> None:
        self._hosts = hosts
        self._shared: _Shared[C] | None = shared
        self.connection = shared.opened.result()

    def close(self) -> None:
        """Give it back; the last user ends the connection."""
        shared, self._shared = self._shared, None
        if shared is not None:
            self._hosts._give_back(shared)


class JumpHosts(Generic[C]):
    """The jump hosts that are in use.

    Args:
        is_open: whether a connection is still good.
    """

    def __init__(self, is_open: Callable[[C], bool]) -> None:
        self._is_open = is_open
        self._lock = threading.Lock()
        self._shared: dict[Target, _Shared[C]] = {}

    def share(self, target: Target, open_: Callable[[], C]) -> Share[C]:
        """The connection to a jump host: made for the first who asks, and shared by all who ask while it is in use.

        Args:
            target: the jump host.
            open_: makes the connection; what it raises is raised for all who wait for it.
        """
        with self._lock:
            shared = self._shared.get(target)
            if shared is not None and shared.opened.done() and not self._is_open(shared.opened.result()):
                shared = None  # those who have it will notice
            first = shared is None
            if shared is None:
                shared = self._shared[target] = _Shared()
            else:
                shared.users += 1
        if first:
            try:
                shared.opened.set_result(open_())
            except BaseException as error:
                self._forget(shared)
                shared.opened.set_exception(error)
        return Share(self, shared)

    def _forget(self, shared: _Shared[C]) -> None:
        with self._lock:
            for target, known in list(self._shared.items()):
                if known is shared:
                    del self._shared[target]

    def _give_back(self, shared: _Shared[C]) -> None:
        with self._lock:
            shared.users -= 1
            if shared.users:
                return
        self._forget(shared)
        shared.opened.result().close()
