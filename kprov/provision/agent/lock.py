"""The lock on a machine: held by the agent's process, so that it cannot outlive the connection."""

from __future__ import annotations

import _thread
import fcntl
import os
import time
from typing import Any

from kprov.provision.agent import fast_json


class MachineLock:
    """An exclusive lock on a file that says who holds it.

    Args:
        path: the file, on a file system that is empty after a restart.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._holder: dict[str, Any] = {}
        # More than one thread may find that the controller has gone.
        self._turn = _thread.allocate_lock()

    def acquire(self, holder: dict[str, Any]) -> dict[str, Any] | None:
        """Take the lock.

        Args:
            holder: who takes it, for those who come second.

        Returns:
            None when it was taken, else what the one who holds it said about itself.
        """
        while True:
            # It may lie in a folder that all may write to: a link that somebody else put there is not followed.
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                try:
                    text = os.read(descriptor, 65536)
                finally:
                    os.close(descriptor)
                try:
                    found = fast_json.loads(text)
                except ValueError:
                    found = {}
                return found if isinstance(found, dict) else {}
            # Its last holder may have removed the file between our open and our lock.
            if os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)
        self._holder = dict(holder, since=time.time(), pid=os.getpid())
        self._descriptor = descriptor
        self._write(descriptor)
        return None

    def _write(self, descriptor: int) -> None:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, fast_json.dumps(self._holder), 0)

    def leaving(self) -> None:
        """Tell whoever comes next that its holder's controller has gone, and only waits for what must be let finish."""
        with self._turn:
            if self._descriptor is not None:
                self._holder["leaving"] = True
                try:
                    self._write(self._descriptor)
                except OSError:
                    pass  # no room: who comes next is told that it is locked

    def release(self) -> None:
        """Give the lock back and leave no file."""
        with self._turn:
            if self._descriptor is None:
                return
            try:
                os.unlink(self.path)  # no other's file: that one could not be locked before ours is let go
            except OSError:
                pass
            os.close(self._descriptor)
            self._descriptor = None
