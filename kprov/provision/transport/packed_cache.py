"""Packed agents that outlive a run: a folder for each agent and Python, in it a file for each thing packed.

Machines run as root what is kept here. So nothing is taken that another user could have written; each file carries a
checksum, and what is damaged is packed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

# One for each Python that machines have, and those of a kprov that was just replaced.
_KEPT = 8

_CHECKSUM = hashlib.sha256().digest_size


class PackedCache:
    """What was packed of one agent for one Python.

    Args:
        key: changes with whatever the packed agent is made of.
    """

    def __init__(self, key: str) -> None:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        self._folder = Path(base).expanduser() / "kprov" / "agent" / key

    def read(self, name: str) -> bytes | None:
        """What was kept under a name; None where there is nothing that can be trusted."""
        try:
            with (self._folder / name).open("rb") as stream:
                for status in (self._folder.stat(), os.fstat(stream.fileno())):
                    if status.st_uid != os.getuid() or status.st_mode & 0o022:
                        return None
                data = stream.read()
        except OSError:
            return None
        checksum, content = data[:_CHECKSUM], data[_CHECKSUM:]
        return content if hashlib.sha256(content).digest() == checksum else None

    def write(self, name: str, content: bytes) -> None:
        """Keep something. A home that cannot be written to costs time, nothing else."""
        with contextlib.suppress(OSError):
            if not self._folder.is_dir():
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._forget_others()
            descriptor, partial = tempfile.mkstemp(dir=self._folder, prefix=".")
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(hashlib.sha256(content).digest() + content)
            Path(partial).replace(self._folder / name)

    def _forget_others(self) -> None:
        others = sorted(self._folder.parent.iterdir(), key=lambda other: other.stat().st_mtime, reverse=True)
        for old in others[_KEPT:]:
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.unlink()
