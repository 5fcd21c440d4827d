"""mount(2) and umount(2), and the table of what is mounted."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8

_libc = ctypes.CDLL(None, use_errno=True)
_OCTAL = re.compile(r"\\([0-7]{3})")


def _mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    done = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}")


def mount_tmpfs(target: Path, size: int | None = None, mode: int = 0o777) -> None:
    """Mount memory at ``target``, at most ``size`` bytes of it. Does nothing when something is mounted there."""
    if is_mounted(target):
        return
    target.mkdir(parents=True, exist_ok=True)
    options = f"mode={mode:o}" + (f",size={size}" if size else "")
    _mount("tmpfs", str(target), "tmpfs", 0, options)


def bind(source: str, target: Path, *, read_only: bool = False) -> None:
    """Show ``source`` at ``target`` as well."""
    _mount(source, str(target), "", MS_BIND | MS_REC, "")
    if read_only:
        _mount(source, str(target), "", MS_BIND | MS_REMOUNT | MS_RDONLY, "")


def unmount(target: Path) -> None:
    """Undo a mount; harmless where nothing is mounted."""
    if _libc.umount2(str(target).encode(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        if number not in (22, 2):  # EINVAL: not a mount; ENOENT: not there
            raise OSError(number, f"umount {target}: {os.strerror(number)}")


def mounted_below(folder: Path) -> list[Path]:
    """What is mounted at or below ``folder``, deepest first."""
    found = []
    prefix = str(folder)
    with open("/proc/self/mountinfo") as table:
        for line in table:
            place = _OCTAL.sub(lambda match: chr(int(match[1], 8)), line.split(" ", 5)[4])
            if place == prefix or place.startswith(prefix + "/"):
                found.append(Path(place))
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def is_mounted(folder: Path) -> bool:
    """Whether something is mounted right at ``folder``."""
    try:
        return folder.stat().st_dev != folder.parent.stat().st_dev
    except FileNotFoundError:
        return False
