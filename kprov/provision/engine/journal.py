"""The run's journal: one JSON line an event, so that what was done, and what was under way, is known after any end."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from kprov.provision.engine.secrets import Secrets

# Writing survives the death of kprov by itself; syncing is for the controller losing power, and is not done for
# every line.
SYNC_SECONDS = 0.5


class Journal:
    """Appends events to runs/RUN/journal.jsonl and readable lines to runs/RUN/run.log.

    Args:
        directory: the run's folder.
        secrets: masks what is written.
    """

    def __init__(self, directory: Path, secrets: Secrets) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = directory / "journal.jsonl"
        self.log_path = directory / "run.log"
        self._secrets = secrets
        self._lock = threading.Lock()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(self.path, flags, 0o600)
        self._log = os.open(self.log_path, flags, 0o600)
        self._synced = time.monotonic()
        self._closed = False

    def write(self, event: str, **values: Any) -> None:
        """Append an event."""
        record = {"time": round(time.time(), 3), "event": event, **self._secrets.mask_all(values)}
        line = json.dumps(record, default=str, separators=(",", ":")) + "\n"
        with self._lock:
            if self._closed:
                return
            os.write(self._file, line.encode())
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fdatasync(self._file)
                self._synced = time.monotonic()

    def log(self, text: str) -> None:
        """Append a line for people."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime())
        with self._lock:
            if not self._closed:
                os.write(self._log, f"{stamp} {self._secrets.mask(text)}\n".encode(errors="replace"))

    def sync(self) -> None:
        """Make what was written safe against a loss of power."""
        with self._lock:
            if not self._closed:
                os.fdatasync(self._file)
                self._synced = time.monotonic()

    def close(self) -> None:
        """No more events."""
        self.sync()
        with self._lock:
            self._closed = True
            os.close(self._file)
            os.close(self._log)
