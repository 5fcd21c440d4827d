"""Files of the controller that appear whole or not at all, also when the power goes."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600
"""The mode of what is its owner's alone."""


@contextlib.contextmanager
def replacing(path: Path, *, mode: int | None = None, exclusive: bool = False) -> Iterator[BinaryIO]:
    """A file beside `path` to write to, which takes its place at the end of the block; not if the block raises.

    A link stays a link. What is no file at all (a terminal, a pipe) is written to as it is.

    Args:
        path: the file; its folder must be there.
        mode: its permissions, also where it was there before; None: those that it had, for a new one what the umask
            leaves of 0666. A file that was there keeps its owner where this user may give it away.
        exclusive: only where there is no such file.

    Raises:
        FileExistsError: with `exclusive`, there is one.
        OSError: it can't be written. The file is as it was.
    """
    target = Path(os.path.realpath(path))
    try:
        before = target.stat()
    except FileNotFoundError:
        before = None
    if before is not None and not stat.S_ISREG(before.st_mode) and not stat.S_ISDIR(before.st_mode):
        with target.open("wb") as stream:
            yield stream
        return
    # The kernel takes the umask from this mode: it can't be asked for it without a moment without one.
    first = 0o666 if before is None and mode is None else PRIVATE
    temporary = target.with_name(f".{target.name[:200]}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, first)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _like(descriptor, before, mode)
            yield stream
            stream.flush()
            os.fsync(descriptor)
        if exclusive:
            os.link(temporary, target)
            temporary.unlink()
        else:
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def write(path: Path, content: bytes | str, *, mode: int | None = None, exclusive: bool = False) -> None:
    """Replace a file by this content (texts as UTF-8), or make it; see `replacing`."""
    with replacing(path, mode=mode, exclusive=exclusive) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def sync_folder(folder: Path) -> None:
    """Have the folder's names on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _like(descriptor: int, before: os.stat_result | None, mode: int | None) -> None:
    """Owner and mode, before there is anything to read."""
    if before is not None:
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            with contextlib.suppress(PermissionError):  # as with any editor, the file becomes the writer's
                os.fchown(descriptor, before.st_uid, before.st_gid)
        mode = stat.S_IMODE(before.st_mode) if mode is None else mode
    if mode is not None:
        os.fchmod(descriptor, mode)
