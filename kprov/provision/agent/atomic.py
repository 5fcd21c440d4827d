"""Files that appear whole or not at all, never readable by anyone who may not read them."""

from __future__ import annotations

import errno
import os
import shutil
import stat
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


_unsynced: dict[str, None] = {}
_together: list[bool] = []  # holds something where `sync` is called before anyone is told


def sync_together() -> None:
    """From now on folders are synced by `sync`: once for many files in them."""
    _together.append(True)


def sync() -> None:
    """Make the names of all files that were written outlive a loss of power."""
    while _unsynced:
        path = next(iter(_unsynced))
        try:
            _sync_directory(path)
        except (FileNotFoundError, NotADirectoryError):
            pass  # gone meanwhile, and the files with it
        del _unsynced[path]


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


# What a file carries besides mode and owner, and what would be wrong on another content (capabilities, signatures).
_NOT_KEPT = ("security.capability", "security.ima", "security.evm")


def _keep_extended(path: str, descriptor: int) -> None:
    """Give the new file the old one's access lists, labels and other extended attributes."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return  # no such thing on this file system
    for name in names:
        if name not in _NOT_KEPT:
            try:
                os.setxattr(descriptor, name, os.getxattr(path, name, follow_symlinks=False))
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.ENODATA):
                    raise


def explained(error: OSError, path: str) -> ModuleFailed:
    """A failure to write, in words that say what to do."""
    folder = os.path.dirname(path) or "."
    words = {
        errno.ENOENT: "folder %s does not exist: make it first (file: path=... state=directory)" % folder,
        errno.ENOTDIR: "folder %s does not exist: a part of it is a file" % folder,
        errno.EROFS: "%s cannot be written: its file system is mounted read-only" % path,
        errno.ENOSPC: "%s cannot be written: its disk is full; what was there is untouched" % path,
        errno.EDQUOT: "%s cannot be written: its owner's quota is used up; what was there is untouched" % path,
        errno.EACCES: "%s cannot be written: this user may not write to folder %s" % (path, folder),
        errno.EPERM: "%s cannot be written: it or folder %s is immutable (see lsattr)" % (path, folder),
        errno.EISDIR: "%s is a folder, not a file" % path,
        errno.ENAMETOOLONG: "%s cannot be written: its name is too long" % path,
        errno.EBUSY: "%s cannot be replaced: something is mounted on it" % path,
    }
    known = words.get(error.errno or 0)
    return ModuleFailed(known or "%s cannot be written: %s" % (path, error.strerror or error))


def replace(
    path: str,
    fill: Callable[[BinaryIO], None],
    wanted: Wanted,
    *,
    validate: Callable[[str], None] | None = None,
    default_mode: int | None = None,
) -> None:
    """Write a file beside its place, with its mode and owner set before any content, then rename it there.

    The old file's access lists and extended attributes go over to the new one. Once it returns, the file has its new
    content whatever happens to the machine; after `sync_together` once `sync` has.

    Args:
        path: the file.
        fill: writes the content.
        wanted: mode, owner and group; what it leaves open stays as the file there has it.
        validate: looks at the new file (by its temporary path) before it takes its place; raises to refuse it.
        default_mode: for a new file without a wanted mode; 0666 less the umask where None.

    Raises:
        ModuleFailed: it cannot be written there, or validation refused. The old file is untouched then.
    """
    folder = os.path.dirname(path) or "."
    sweep(folder)
    # tempfile does the same; what it imports costs a machine as much as twenty files do.
    temporary = os.path.join(folder, prefix() + os.urandom(8).hex())
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise explained(error, path) from None
    try:
        _fill(descriptor, path, fill, wanted, default_mode)
        if validate is not None:
            validate(temporary)
        os.rename(temporary, path)
    except BaseException as error:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        if isinstance(error, OSError) and error.errno is not None:
            raise explained(error, path) from None
        raise
    if _together:
        _unsynced[os.path.abspath(folder)] = None
    else:  # the controller's threads: each its own
        _sync_directory(folder)


def _fill(
    descriptor: int, path: str, fill: Callable[[BinaryIO], None], wanted: Wanted, default_mode: int | None
) -> None:
    """Everything that a new file is, before it gets its name."""
    with os.fdopen(descriptor, "wb") as stream:
        try:
            old = os.lstat(path)
            is_link = stat.S_ISLNK(old.st_mode)
            current = 0o666 & ~umask_now() if is_link else stat.S_IMODE(old.st_mode)
            uid = wanted.uid if wanted.uid != -1 else old.st_uid
            gid = wanted.gid if wanted.gid != -1 else old.st_gid
        except FileNotFoundError:
            is_link = True
            current = default_mode if default_mode is not None else 0o666 & ~umask_now()
            uid, gid = wanted.uid, wanted.gid
        bits = mode_bits(wanted.mode, current, False) if wanted.mode is not None else current
        if (uid, gid) != (-1, -1) and (uid, gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, uid, gid)
        if not is_link:
            _keep_extended(path, descriptor)
        os.fchmod(descriptor, bits)
        fill(stream)
        stream.flush()
        os.fsync(descriptor)


def write(path: str, data: bytes, wanted: Wanted, *, validate: Callable[[str], None] | None = None) -> None:
    """Write bytes to a file, whole or not at all; see `replace`."""

    def fill(stream: BinaryIO) -> None:
        stream.write(data)

    replace(path, fill, wanted, validate=validate)
