"""Writes files so that whoever reads them finds the old or the new one, whole, with its mode from the first moment."""

from __future__ import annotations

import stat
from pathlib import Path

from kprov.provision import atomic
from kprov.provision.vault.envelope import VaultError


def write_atomically(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace a file's content, or make the file.

    A file that was there keeps its mode and owner, a new one is its owner's alone; a link stays a link.

    Args: ``private``: take everybody else's rights away (what was encrypted is readable now).
    Raises VaultError; the file is as it was then.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else atomic.PRIVATE
        atomic.write(path, data, mode=mode & 0o700 if private else mode)
    except OSError as error:
        raise VaultError(f"can't be written: {error.strerror}", file=str(path)) from None
