"""The audit log's file: lines appended by a thread of its own, so that a slow disk never holds up the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

_log = logging.getLogger(__name__)


class LogFile:
    """Appends lines to a file, which is renamed when it has grown, and whose old parts go in time.

    Args:
        path: the file; "-" for standard output.
        max_size: megabytes after which it is renamed; 0: never.
        max_backups: how many old parts are kept; 0: all.
        max_age: days after which old parts go; 0: never.
        compress: whether old parts are compressed.
        waits: whether ``append`` returns only when the line is written (upstream's mode "blocking").

    Raises: OSError where the file can't be written.
    """

    def __init__(
        self, path: str, *, max_size: int, max_backups: int, max_age: int, compress: bool, waits: bool
    ) -> None:
        self._path = None if path == "-" else Path(path)
        self._limit = max_size << 20
        self._max_backups, self._max_age, self._compress = max_backups, max_age, compress
        self._waits = waits
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._file = -1
        self._size = 0
        self._failing = False
        self._open()

    def _open(self) -> None:
        if self._path is None:
            self._file = sys.stdout.fileno()
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size

    async def append(self, line: bytes) -> bool:
        """Append a line. Returns whether it was written, as far as it is waited for."""
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._write, line)
        return await future if self._waits else True

    def _write(self, line: bytes) -> bool:
        try:
            if self._limit and self._path is not None and self._size and self._size + len(line) > self._limit:
                self._rotate()
            os.write(self._file, line)
            self._size += len(line)
        except OSError as error:
            if not self._failing:  # once, until it works again
                _log.error("the audit log %s can't be written: %s", self._path, error)
            self._failing = True
            return False
        self._failing = False
        return True

    def _rotate(self) -> None:
        assert self._path is not None
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
        old = self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}")
        os.close(self._file)
        self._path.rename(old)
        self._open()
        if self._compress:
            packed = old.with_name(old.name + ".gz")
            with old.open("rb") as source, gzip.open(packed, "wb") as target:
                packed.chmod(0o600)
                shutil.copyfileobj(source, target)
            old.unlink()
        self._forget_old_parts()

    def _forget_old_parts(self) -> None:
        assert self._path is not None
        parts = sorted(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}*"), reverse=True)
        keep = parts[: self._max_backups] if self._max_backups else parts
        oldest = time.time() - self._max_age * 86400
        for part in parts:
            if part not in keep or (self._max_age and part.stat().st_mtime < oldest):
                with contextlib.suppress(FileNotFoundError):
                    part.unlink()

    def close(self) -> None:
        """Write what is waiting, and end."""
        self._thread.shutdown(wait=True)
        if self._path is not None:
            os.close(self._file)
