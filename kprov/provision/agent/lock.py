"""The lock on a machine: held by the agent's process, so that it cannot outlive the connection."""

from __future__ import annotations

import fcntl
import os
import time
from typing import Any

from kprov.provision.agent import fast_json


# So often the lock is asked for anew while another agent of the same run is about to share it.
_TRIES = 300


class MachineLock:
    """An exclusive lock on a file that says who holds it.

    Args:
        path: the file, on a file system that is empty after a restart.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._holder: dict[str, Any] = {}

    def acquire(self, holder: dict[str, Any]) -> dict[str, Any] | None:
        """Take the lock.

        Args:
            holder: who takes it, for those who come second. With `shared`, several agents of one run hold it together:
                the machine stands under several names in the run's inventory.

        Returns:
            None when it was taken, else what the one who holds it said about itself.
        """
        for tries in range(_TRIES, -1, -1):
            # It may lie in a folder that all may write to: a link that somebody else put there is not followed.
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                found = _said(descriptor)
                if not tries or not holder.get("shared") or found.get("run") != holder["run"]:
                    os.close(descriptor)
                    return found
                if not _share(descriptor):  # the first of this run is just about to share it, or to leave
                    os.close(descriptor)
                    time.sleep(0.01)
                    continue
            # Its last holder may have removed the file between our open and our lock.
            try:
                same = os.stat(self.path).st_ino == os.fstat(descriptor).st_ino
            except FileNotFoundError:
                same = False
            if same:
                break
            os.close(descriptor)
        self._holder = dict(holder, since=time.time(), pid=os.getpid())
        self._descriptor = descriptor
        self._write(descriptor)
        if holder.get("shared") and not _share(descriptor):
            os.close(descriptor)  # another run took it in between
            self._descriptor = None
            return self.acquire(holder)
        return None

    def _write(self, descriptor: int) -> None:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, fast_json.dumps(self._holder), 0)

    def leaving(self) -> None:
        """Tell whoever comes next that its holder's controller has gone, and only waits for what must be let finish."""
        descriptor = self._descriptor
        if descriptor is not None:
            self._holder["leaving"] = True
            try:
                self._write(descriptor)
            except OSError:
                pass  # the main thread may have let go just now

    def release(self) -> None:
        """Give the lock back and leave no file."""
        if self._descriptor is None:
            return
        try:
            if self._holder.get("shared"):
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(self.path)
        except OSError:
            pass  # others share it
        os.close(self._descriptor)
        self._descriptor = None


def _said(descriptor: int) -> dict[str, Any]:
    """What the one who holds a lock said about itself."""
    try:
        found = fast_json.loads(os.pread(descriptor, 65536, 0))
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def _share(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
