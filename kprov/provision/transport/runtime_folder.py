"""Where sockets of this user's programs are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kprov.provision.transport.errors import Unreachable


def runtime_path() -> Path:
    """Where `runtime_folder` is or would be."""
    parent = os.environ.get("XDG_RUNTIME_DIR") or ""
    # A socket's path has room for 107 characters, and ssh adds some of its own.
    usable = Path(parent).is_dir() and 0 < len(parent) < 50
    return Path(parent if usable else "/tmp") / f"kprov-ssh-{os.getuid()}"  # noqa: S108 - `runtime_folder` looks at it


def runtime_folder() -> Path:
    """Where sockets and configurations live: a folder that nobody else can look into.

    Raises:
        Unreachable: somebody else has it.
    """
    folder = runtime_path()
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise Unreachable(f"{folder} is not a folder of this user alone: remove it, or set XDG_RUNTIME_DIR")
    return folder
