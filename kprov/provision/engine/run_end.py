"""A run's end: what is written down, let go and forgotten, one after the other, whatever fails of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kprov.provision import atomic
from kprov.provision.engine.account import Account
from kprov.provision.engine.connections import Connections
from kprov.provision.engine.journal import JournalError
from kprov.provision.engine.pending_handlers import PendingHandlers
from kprov.provision.engine.run_history import NoSuchRun, prune
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.state_lock import StateLock

if TYPE_CHECKING:
    from kprov.provision.inventory.model import Inventory

_RUNS_KEPT = 50
"""Where an inventory does not say it."""

_TROUBLE = ("failed", "unreachable", "locked")


class RunEnd:
    """Ends a run.

    Args:
        sessions: the hosts by name.
        connections: theirs.
        account: the run's.
        pending_handlers: those that are still due.
        state_lock: the lock of the state directory, where this run has it.
        state_directory: old runs are below it.
        inventory: says how many of them stay.
    """

    def __init__(
        self,
        sessions: Mapping[str, HostSession],
        connections: Connections,
        account: Account,
        pending_handlers: PendingHandlers,
        state_lock: StateLock | None,
        state_directory: Path,
        inventory: Inventory,
    ) -> None:
        self._sessions = sessions
        self._connections = connections
        self._account = account
        self._pending_handlers = pending_handlers
        self._state_lock = state_lock
        self._state_directory = state_directory
        self._inventory = inventory

    @property
    def retry_file(self) -> Path:
        """The names of the hosts that failed or were lost, one a line, once the run is over."""
        return self._account.journal.path.with_name("retry")

    def close(self, error: BaseException | None = None) -> None:
        """End all connections, which unlocks the machines, and the run. Nothing where that was done before.

        Args:
            error: what ended it, if it did not end by itself.

        Raises:
            JournalError: its end can't be written down; where there is an `error`, that one says more.
        """
        if not self._connections.close():
            return
        with contextlib.ExitStack() as last:
            last.callback(self._forget_old_runs)
            if self._state_lock is not None:
                last.callback(self._state_lock.release)
            last.callback(self._account.tell_end)
            last.callback(self._write_end, error)
            last.callback(self._write_retry_file)
            last.callback(self._pending_handlers.close)
            last.callback(self._connections.end_all)
            if error is None:
                self._connections.keep()

    def _write_retry_file(self) -> None:
        names = [name for name, session in self._sessions.items() if session.state.state in _TROUBLE]
        if names:
            with contextlib.suppress(OSError):  # a full disk is told of by the journal
                atomic.write(self.retry_file, "".join(f"{name}\n" for name in names), mode=atomic.PRIVATE)

    def _forget_old_runs(self) -> None:
        with contextlib.suppress(NoSuchRun):
            prune(self._state_directory, max(1, getattr(self._inventory.cluster, "runs_kept", _RUNS_KEPT)))

    def _write_end(self, error: BaseException | None) -> None:
        try:
            self._account.finish(error)
        except JournalError:
            if error is None:
                raise
