"""hostPath: a path of the machine, checked against the type that the pod says."""

from __future__ import annotations

import stat
from pathlib import Path

from kprov.kube.kubelet.volumes.sources import VolumeError

_KINDS = {
    "Directory": (stat.S_ISDIR, "directory"),
    "File": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket file"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


def prepare_host_path(path: str, kind: str) -> Path:
    """The path, made where the type says so; raises VolumeError where it is not of the type."""
    target = Path(path)
    if ".." in target.parts:
        raise VolumeError(f"hostPath {path} must not contain '..'")
    if not kind:
        return target
    if kind == "DirectoryOrCreate":
        if not target.exists():
            target.mkdir(parents=True, mode=0o755)
        kind = "Directory"
    elif kind == "FileOrCreate":
        if not target.exists():
            target.touch(0o644)
        kind = "File"
    if kind not in _KINDS:
        raise VolumeError(f"hostPath type {kind!r} is not known")
    matches, words = _KINDS[kind]
    try:
        found = target.stat().st_mode
    except OSError:
        raise VolumeError(f"hostPath type check failed: {path} is not a {words}") from None
    if not matches(found):
        raise VolumeError(f"hostPath type check failed: {path} is not a {words}")
    return target
