"""What the controller's files are, by their hashes: contents travel only where a machine has another one."""

from __future__ import annotations

import hashlib
import stat
import threading
from pathlib import Path

from kprov.provision.engine.scope import TemplateProblem


class FileHashes:
    """SHA-256 of the controller's files, each read once for as long as it does not change."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int], str] = {}
        self._lock = threading.Lock()

    def of(self, path: Path) -> tuple[str, int]:
        """A file's hash and size.

        Raises:
            TemplateProblem: there is no such file.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise TemplateProblem(f"file {path} on the controller: {error.strerror}") from None
        if not stat.S_ISREG(status.st_mode):
            raise TemplateProblem(f"{path} on the controller is no file")
        key = (str(path), status.st_size, status.st_mtime_ns, status.st_ino)
        with self._lock:
            known = self._known.get(key)
            if known is None:
                with path.open("rb") as stream:
                    known = hashlib.file_digest(stream, "sha256").hexdigest()
                self._known[key] = known
        return known, status.st_size


HASHES = FileHashes()
