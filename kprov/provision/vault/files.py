"""Writes files so that whoever reads them finds the old or the new one, whole, with its mode from the first moment."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from kprov.provision.vault.envelope import VaultError

PRIVATE = 0o600


def write_atomically(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace a file's content, or make the file.

    A file that was there keeps its mode and owner, a new one is its owner's alone; a link stays a link.

    Args: ``private``: take everybody else's rights away (what was encrypted is readable now).
    Raises VaultError; the file is as it was then.
    """
    target = path.resolve()
    temporary: str | None = None
    try:
        before = target.stat() if target.exists() else None
        mode = PRIVATE if before is None else stat.S_IMODE(before.st_mode)
        if private:
            mode &= 0o700
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:200]}.")  # mode 0600
        with os.fdopen(descriptor, "wb") as file:
            if before is not None and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                _give_to(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(target)
        temporary = None
        _sync_folder(target.parent)
    except OSError as error:
        raise VaultError(f"can't be written: {error.strerror}", file=str(path)) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _give_to(descriptor: int, user: int, group: int) -> None:
    try:
        os.fchown(descriptor, user, group)
    except PermissionError:
        pass  # who may write here but owns neither: as with any editor, the file becomes theirs


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
