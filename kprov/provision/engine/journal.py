"""The run's journal: one JSON line an event, so that what was done, and what was under way, is known after any end.

A task is journalled as sent before it leaves, and with its result only after the machine's answer has come. So a
journal that ends anywhere says of each task either what became of it, or that it was under way; never that something
was done which was not. What many tasks tell at once is written at once, and before anything more is sent.
docs/reference/journal.md describes the records.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import secrets
import threading
import time
from pathlib import Path
from typing import Any

import orjson

from kprov.provision.engine.secrets import Secrets

FORMAT = 1
"""Written into each journal's first record; raised when a reader of old journals would misunderstand new ones."""

JOURNAL_NAME = "journal.jsonl"
LOG_NAME = "run.log"

# Writing survives the death of kprov by itself; syncing is for the controller losing power, and is not done for
# every line.
SYNC_SECONDS = 0.5

# So much may wait to be written together.
MOST_WAITING = 64 * 1024

# A diff is kept for those who ask later what a run changed; a giant one is not worth filling the disk for.
LARGEST_DIFF = 64 * 1024


def _line(record: dict[str, Any]) -> bytes:
    """An event as it is written. What `orjson`, ten times as fast, does not take, Python's own encoder does."""
    try:
        return orjson.dumps(record, default=str, option=orjson.OPT_APPEND_NEWLINE | _AS_TEXT)
    except TypeError:
        return json.dumps(record, default=str, separators=(",", ":")).encode() + b"\n"


_AS_TEXT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def new_run_id() -> str:
    """A name for a run: ids in the order of their letters are in the order of time (UTC, whatever clocks are set)."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}-{secrets.token_hex(3)}"


class JournalError(Exception):
    """The journal can't be kept, so nothing more may be done: what is not journalled must not happen.

    The message says which file, why, and what to do.
    """


class Journal:
    """Appends events to runs/RUN/journal.jsonl and readable lines to runs/RUN/run.log.

    The journal's file is locked (flock) as long as the process lives: who reads it can tell a run that is under way
    from one that died.

    Args:
        directory: the run's folder.
        masks: takes secrets out of what is written.

    Raises:
        JournalError: the folder or its files can't be made.
    """

    def __init__(self, directory: Path, masks: Secrets) -> None:
        self.path = directory / JOURNAL_NAME
        self.log_path = directory / LOG_NAME
        self._secrets = masks
        self._lock = threading.Lock()
        self._failed: JournalError | None = None
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self.path, flags, 0o600)
            self._log = os.open(self.log_path, flags, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            raise JournalError(
                f"the run can't be journalled in {error.filename or directory}: {error.strerror}. "
                f"{advice(error, directory)}. Nothing was changed"
            ) from None
        self._closed = False
        self._waiting = bytearray()
        self._unsynced = False
        self._ended = threading.Event()
        self._syncer: threading.Thread | None = None

    def write(self, event: str, **values: Any) -> None:
        """Append an event, after those that wait.

        Raises:
            JournalError: it could not be written, or an earlier one could not.
        """
        self.put(event, **values)
        self.flush()

    def put(self, event: str, **values: Any) -> None:
        """Have an event wait for the next `flush` or `write`, at most half a second.

        What it says is about to be done must not be done before that.

        Raises:
            JournalError: an earlier one could not be written.
        """
        record = {"time": round(time.time(), 3), "event": event, **values}
        line = _line(record)
        if not self._secrets.harmless(line):
            line = _line(self._secrets.mask_all(record))
        with self._lock:
            if self._closed:
                return
            if self._failed is not None:
                raise self._failed
            self._waiting += line
            if len(self._waiting) > MOST_WAITING:
                self._write_waiting()
            if self._syncer is None:  # nobody who works waits for the disk
                self._syncer = threading.Thread(target=self._sync_now_and_then, name="kprov-journal", daemon=True)
                self._syncer.start()

    def flush(self) -> None:
        """Write the events that wait; when it returns, all that were put before are written, by whomever.

        Raises:
            JournalError: they could not be, or earlier ones.
        """
        with self._lock:
            if self._closed:
                return
            if self._failed is not None:
                raise self._failed
            self._write_waiting()

    def _write_waiting(self) -> None:
        if self._waiting:
            data = bytes(self._waiting)
            self._waiting.clear()
            self._append(self._file, self.path, data)
            self._unsynced = True

    def log(self, text: str) -> None:
        """Append a line for people.

        Raises:
            JournalError: it could not be written.
        """
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime())
        line = f"{stamp} {self._secrets.mask(text)}\n".encode(errors="replace")
        with self._lock:
            if not self._closed:
                self._append(self._log, self.log_path, line)

    def _append(self, descriptor: int, path: Path, data: bytes) -> None:
        if self._failed is not None:
            raise self._failed
        try:
            append(descriptor, data)
        except OSError as error:
            self._failed = unwritable(path, error)
            raise self._failed from None

    def _sync_now_and_then(self) -> None:
        while not self._ended.wait(SYNC_SECONDS):
            with contextlib.suppress(JournalError):  # the next record raises it
                self.flush()
                if self._unsynced:
                    self._sync()

    def _sync(self) -> None:
        self._unsynced = False
        try:
            os.fdatasync(self._file)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                return  # a file system that knows no syncing
            self._failed = unwritable(self.path, error)
            raise self._failed from None

    def sync(self) -> None:
        """Make what was written safe against a loss of power.

        Raises:
            JournalError: the disk does not take it.
        """
        if not self._closed and self._failed is None:
            self.flush()
            self._sync()

    def close(self, **end: Any) -> None:
        """Write the last record, run_finished, and no more events.

        It is tried also where an earlier record found no room: there may be some again.

        Args:
            end: the record's values; none: no such record.

        Raises:
            JournalError: it could not be written. The files are closed all the same.
        """
        with self._lock:
            if self._closed:
                return
            self._failed = None
        try:
            if end:
                self.write("run_finished", **end)
            self.sync()
        finally:
            self._ended.set()
            if self._syncer is not None:
                self._syncer.join()
            with self._lock:
                self._closed = True
                os.close(self._file)
                os.close(self._log)


def append(descriptor: int, data: bytes) -> None:
    """Write whole lines or nothing: half a line would take the next one with it. Raises OSError."""
    written = 0
    try:
        while written < len(data):
            written += os.write(descriptor, data[written:])
    except OSError:
        if written:
            os.ftruncate(descriptor, max(0, os.fstat(descriptor).st_size - written))
        raise


def unwritable(path: Path, error: OSError) -> JournalError:
    """A file that tells what a run does can't be written: why, and what to do."""
    return JournalError(
        f"{path} can't be written: {error.strerror}, and what can't be written down is not done. "
        f"{advice(error, path.parent)}, and run the same command again: it goes on from here"
    )


def advice(error: OSError, folder: Path) -> str:
    """What to do about a folder that can't be written to."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Make room on that disk (`kprov runs prune` forgets old runs)"
    if error.errno == errno.EROFS:
        return "The file system is read-only: mount it writable, or set state_directory to another folder"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{_owner(folder)}: give it to the user who runs kprov (chown -R), or run kprov as that user"
    return "Mend it"


def _owner(folder: Path) -> str:
    """Whose the nearest folder is that exists."""
    for place in (folder, *folder.parents):
        try:
            owner = place.owner()
        except (OSError, KeyError):
            continue
        return f"{place} belongs to {owner}"
    return str(folder)
