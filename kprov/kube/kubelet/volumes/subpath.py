"""subPath: part of a volume, shown to a container without ever leaving the volume."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kprov.kube.kubelet.volumes.mounts import bind, is_mounted
from kprov.kube.kubelet.volumes.sources import VolumeError


def bind_subpath(volume: Path, subpath: str, target: Path) -> Path:
    """Bind ``volume/subpath`` to ``target`` and return what to mount into the container.

    The path is resolved first and then walked without following any link, so that a container which writes to the
    volume cannot swap a folder for a link in between. A missing path is made as a folder. Raises VolumeError.
    """
    if subpath.startswith("/") or ".." in subpath.split("/"):
        raise VolumeError(f'subPath "{subpath}" must be relative and must not contain ".."')
    root = Path(os.path.realpath(volume))
    resolved = Path(os.path.realpath(root / subpath))
    if resolved != root and root not in resolved.parents:
        raise VolumeError(f'failed to prepare subPath "{subpath}": it leads out of the volume')
    handle = _open(root, resolved.relative_to(root).parts)
    try:
        source = f"/proc/self/fd/{handle}"
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        target.parent.mkdir(parents=True, exist_ok=True)
        if _same(target, handle):
            return target
        if is_folder:
            target.mkdir(exist_ok=True)
        elif not target.exists():
            target.touch()
        bind(source, target)
    finally:
        os.close(handle)
    return target


def _same(target: Path, handle: int) -> bool:
    try:
        found, wanted = target.stat(), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino) and not is_mounted(target.parent)


def _open(root: Path, parts: tuple[str, ...]) -> int:
    handle = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts:
        try:
            try:
                deeper = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            except FileNotFoundError:
                mode = stat.S_IMODE(os.fstat(handle).st_mode)
                os.mkdir(part, 0o750, dir_fd=handle)
                deeper = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
                owner = os.fstat(handle)
                os.chown(f"/proc/self/fd/{deeper}", owner.st_uid, owner.st_gid)
                Path(f"/proc/self/fd/{deeper}").chmod(mode)
            if stat.S_ISLNK(os.fstat(deeper).st_mode):
                os.close(deeper)
                raise VolumeError(f"a link appeared in {root} at {part!r}")
        except OSError as error:
            os.close(handle)
            raise VolumeError(str(error)) from None
        except VolumeError:
            os.close(handle)
            raise
        os.close(handle)
        handle = deeper
    return handle
