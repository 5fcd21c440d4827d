"""Handlers that were due and did not run: a changed configuration file must still restart its service after a
crash between the two.

A line says which handlers may be due before their tasks are sent; another clears them once they ran. What was not
cleared is due in the next run of that role on that host.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path

from kprov.provision import atomic
from kprov.provision.engine.journal import JournalError, append, unwritable

PENDING_NAME = "pending_handlers.jsonl"


class PendingHandlers:
    """The memory of due handlers, in the state directory.

    Args:
        path: the file.
        remember: False in check mode: nothing is written.
    """

    def __init__(self, path: Path, remember: bool) -> None:
        self._path = path
        self._remember = remember
        self._lock = threading.Lock()
        self._due: dict[tuple[str, str], set[str]] = {}
        self._file: int | None = None
        for line in _lines(path):
            try:
                host, role, handlers = json.loads(line)
                key, names = (str(host), str(role)), {str(name) for name in handlers}
            except (ValueError, TypeError, RecursionError):
                continue  # the last line of a run that lost power
            self._due[key] = names
        self._due = {key: handlers for key, handlers in self._due.items() if handlers}

    def due(self, host: str, role: str) -> set[str]:
        """What an earlier run left undone."""
        with self._lock:
            return set(self._due.get((host, role), ()))

    def all_due(self) -> dict[tuple[str, str], frozenset[str]]:
        """By host and role, what an earlier run left undone."""
        with self._lock:
            return {key: frozenset(handlers) for key, handlers in self._due.items() if handlers}

    def set(self, host: str, role: str, handlers: set[str]) -> None:
        """Say which handlers are due now (none: all ran).

        Raises:
            JournalError: it can't be written down.
        """
        key = (host, role)
        with self._lock:
            if not self._remember or self._due.get(key, set()) == handlers:
                return
            try:
                if self._file is None:
                    self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                append(self._file, (json.dumps([host, role, sorted(handlers)]) + "\n").encode())
            except OSError as error:
                raise unwritable(self._path, error) from None
            self._due[key] = set(handlers)

    def close(self) -> None:
        """Write the memory anew, as short as it is; where that can't be, the long one says the same."""
        with self._lock:
            if self._file is None:
                return
            os.close(self._file)
            self._file = None
            left = [
                json.dumps([host, role, sorted(handlers)]) + "\n"
                for (host, role), handlers in self._due.items()
                if handlers
            ]
            with contextlib.suppress(OSError):
                atomic.write(self._path, "".join(left), mode=atomic.PRIVATE)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(f"the handlers that are due can't be read from {path}: {error.strerror}") from None
