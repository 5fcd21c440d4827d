"""The audit log's file: lines appended by a thread of its own, so that a slow disk never holds up the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from kprov.kube.api.metrics import REGISTRY

_log = logging.getLogger(__name__)
_GATHER_SECONDS = 0.02
_MOST_WAITING = 64 << 20  # bytes; about a minute of the busiest server
_ERRORS = REGISTRY.counter(
    "apiserver_audit_error_total",
    "Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.",
    ("plugin",),
)


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
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._lock = threading.Lock()  # of what is waiting: it is closed from another thread
        self._drainer: asyncio.Task[None] | None = None
        self._closed = False
        self._dropping = False
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
        if self._closed:
            return False
        if self._waits:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._write, line)
        with self._lock:
            dropped = self._waiting_size + len(line) > _MOST_WAITING
            if not dropped:
                self._waiting.append(line)
                self._waiting_size += len(line)
        if dropped:
            _ERRORS.inc("log")
        if dropped and not self._dropping:  # the disk hangs: the memory must not follow it
            _log.error("the audit log %s can't be written as fast as requests come: some are left out", self._path)
        self._dropping = dropped
        if self._drainer is None:
            self._drainer = asyncio.create_task(self._drain())
        return True

    async def _drain(self) -> None:
        """Hand lines to the thread, many at a time: waking it for each would cost more than writing it."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting and not self._closed:
                await asyncio.sleep(_GATHER_SECONDS)
                await loop.run_in_executor(self._thread, self._write_waiting)
        except RuntimeError:  # closed meanwhile, which wrote what was waiting
            return
        finally:
            self._drainer = None

    def _write_waiting(self) -> None:
        with self._lock:
            lines, self._waiting, self._waiting_size = self._waiting, [], 0
        whole = b"".join(lines)
        if self._limit and self._size + len(whole) > self._limit:
            for line in lines:
                self._write(line)
        elif whole:
            self._write(whole)

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
            _ERRORS.inc("log", by=line.count(b"\n"))
            return False
        self._failing = False
        return True

    def _rotate(self) -> None:
        assert self._path is not None
        old = self._part()
        while old.exists():  # it filled up within the millisecond that names it
            time.sleep(0.001)
            old = self._part()
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

    def _part(self) -> Path:
        assert self._path is not None
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
        return self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}")

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
        self._closed = True
        self._thread.submit(self._write_waiting)
        self._thread.shutdown(wait=True)
        if self._path is not None:
            os.close(self._file)
