"""The lock on a machine: held by the agent's process, so that it cannot outlive the connection."""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import Any


class MachineLock:
    """An exclusive lock on a file that says who holds it.

    Args:
        path: the file, on a file system that is empty after a restart.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, holder: dict[str, Any]) -> dict[str, Any] | None:
        """Take the lock.

        Args:
            holder: who takes it, for those who come second.

        Returns:
            None when it was taken, else what the one who holds it said about itself.
        """
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                try:
                    text = os.read(descriptor, 65536)
                finally:
                    os.close(descriptor)
                try:
                    found = json.loads(text)
                except ValueError:
                    found = {}
                return found if isinstance(found, dict) else {}
            # Its last holder may have removed the file between our open and our lock.
            try:
                same = os.stat(self.path).st_ino == os.fstat(descriptor).st_ino
            except FileNotFoundError:
                same = False
            if same:
                break
            os.close(descriptor)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(dict(holder, since=time.time(), pid=os.getpid())).encode())
        self._descriptor = descriptor
        return None

    def release(self) -> None:
        """Give the lock back and leave no file."""
        if self._descriptor is None:
            return
        try:
            os.unlink(self.path)
        except OSError:
            pass
        os.close(self._descriptor)
        self._descriptor = None
