"""Writes keys so that nobody else ever can read them, and so that a crash leaves the old file or the new one."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from kprov.provision import atomic


def write_private(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``, mode 0600, in a folder of mode 0700."""
    make_private_folder(path.parent)
    atomic.write(path, content, mode=atomic.PRIVATE)


def make_private_folder(folder: Path) -> None:
    """Create ``folder`` with mode 0700, and those above it that are missing."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold ``folder`` against other runs of kprov; the lock ends with the process, whatever happens to it."""
    make_private_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
