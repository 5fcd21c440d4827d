"""The lock on a cluster's state on the controller: one run at a time works with its keys, journals and due handlers.

It is a lock of the kernel (flock), held by the process: it ends with it, however that ends, and nothing stale is left.
The file says who holds it, and means nothing by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kprov.provision.engine.holder import has_died, held_by
from kprov.provision.engine.journal import advice

LOCK_NAME = "lock"
_LARGEST = 64 * 1024
_NAMELESS_SECONDS = 0.5
_DYING_SECONDS = 10.0


class StateLocked(Exception):
    """Another run works with this cluster's state. The message says who, and since when; nothing was changed."""

    exit_code = 5


class StateLockError(Exception):
    """The lock can't be taken by anyone: the message says why, and what to do."""


class StateLock:
    """A held lock.

    Args:
        folder: the state directory; made where there is none.
        holder: who takes it, for those who come second.

    Raises:
        StateLocked: another process holds it.
        StateLockError: the folder can't be written to.
    """

    def __init__(self, folder: Path, holder: Mapping[str, Any]) -> None:
        self.path = folder / LOCK_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StateLockError(
                f"the cluster's state in {folder} can't be locked: {error.strerror}. {advice(error, folder)}. "
                "Nothing was changed"
            ) from None
        try:
            found = self._take(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise StateLockError(
                f"the file system of {folder} knows no locks ({error.strerror}): set state_directory to a folder on "
                "another one; nothing was changed"
            ) from None
        if found is not None:
            os.close(self._descriptor)
            raise StateLocked(f"the cluster's state in {folder} is {held_by(found)}")
        # Where the disk is full the lock still holds; only its words are missing.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps({**holder, "since": time.time()}).encode(), 0)

    @staticmethod
    def _take(descriptor: int) -> dict[str, Any] | None:
        """Take the lock. Returns None, or who holds it."""
        begun = time.monotonic()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                found = _read(descriptor)
            # Without a name it is one who looks who holds it (`holder_of`), or who is about to say so.
            patience = _DYING_SECONDS if has_died(found) else 0.0 if found else _NAMELESS_SECONDS
            if time.monotonic() - begun >= patience:
                return found
            time.sleep(0.02)

    def release(self) -> None:
        """Give it back. The file stays: to remove it would let two runs hold locks on two files of its name."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = None


def holder_of(folder: Path) -> dict[str, Any] | None:
    """Who holds the lock on a state directory; None when nobody does, {} when somebody does who did not say."""
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        found = _read(descriptor)
        return None if has_died(found) else found
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def _read(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, _LARGEST, 0))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
