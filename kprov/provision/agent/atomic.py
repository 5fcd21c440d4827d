"""Files that appear whole or not at all, never readable by anyone who may not read them."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from typing import BinaryIO, Callable

from kprov.provision.agent.attributes import Wanted, mode_bits
from kprov.provision.agent.failures import ModuleFailed

PREFIX = ".kprov-"


def prefix() -> str:
    """How this process names what it writes beside a file's place: a later one sees whether its maker still lives."""
    return "%s%d-" % (PREFIX, os.getpid())


def sweep(folder: str) -> None:
    """Remove what an agent that is no more left half-written in a folder: the machine lost power, or was rude."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if not name.startswith(PREFIX):
            continue
        maker = name[len(PREFIX) :].partition("-")[0]
        if maker.isdigit() and not os.path.exists("/proc/" + maker):
            path = os.path.join(folder, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                try:
                    os.unlink(path)
                except OSError:
                    pass


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def umask_now() -> int:
    """The process's umask (which can only be read by setting it)."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def replace(
    path: str,
    fill: Callable[[BinaryIO], None],
    wanted: Wanted,
    *,
    validate: Callable[[str], None] | None = None,
    default_mode: int | None = None,
) -> None:
    """Write a file beside its place, with its mode and owner set before any content, then rename it there.

    Args:
        path: the file.
        fill: writes the content.
        wanted: mode, owner and group; what it leaves open stays as the file there has it.
        validate: looks at the new file (by its temporary path) before it takes its place; raises to refuse it.
        default_mode: for a new file without a wanted mode; 0666 less the umask where None.

    Raises:
        ModuleFailed: the folder is missing, or validation refused.
    """
    folder = os.path.dirname(path) or "."
    sweep(folder)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=prefix(), dir=folder)
    except FileNotFoundError:
        raise ModuleFailed(
            "folder %s does not exist: make it first (file: path=... state=directory)" % folder
        ) from None
    try:
        try:
            old = os.lstat(path)
            current = stat.S_IMODE(old.st_mode) if not stat.S_ISLNK(old.st_mode) else 0o666 & ~umask_now()
            uid = wanted.uid if wanted.uid != -1 else old.st_uid
            gid = wanted.gid if wanted.gid != -1 else old.st_gid
        except FileNotFoundError:
            current = default_mode if default_mode is not None else 0o666 & ~umask_now()
            uid, gid = wanted.uid, wanted.gid
        bits = mode_bits(wanted.mode, current, False) if wanted.mode is not None else current
        if (uid, gid) != (-1, -1) and (uid, gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, bits)
        with os.fdopen(descriptor, "wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if validate is not None:
            validate(temporary)
        os.rename(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        raise
    _sync_directory(folder)


def write(path: str, data: bytes, wanted: Wanted, *, validate: Callable[[str], None] | None = None) -> None:
    """Write bytes to a file, whole or not at all; see `replace`."""

    def fill(stream: BinaryIO) -> None:
        stream.write(data)

    replace(path, fill, wanted, validate=validate)
