"""What was there before a change, kept beside it."""

from __future__ import annotations

import os
import shutil
import time
from typing import BinaryIO

from kprov.provision.agent import atomic
from kprov.provision.agent.attributes import Wanted


def keep(path: str) -> str:
    """Copy a file to a name beside it that says when and by which process, as Ansible names its backups.

    Returns:
        The copy's path. It has the file's mode, owner and times.
    """
    real = os.path.realpath(path)
    name = "%s.%d.%s~" % (path, os.getpid(), time.strftime("%Y-%m-%d@%H:%M:%S"))
    status = os.stat(real)

    def fill(stream: BinaryIO) -> None:
        with open(real, "rb") as original:
            shutil.copyfileobj(original, stream, 1 << 20)

    wanted = {"mode": "%04o" % (status.st_mode & 0o7777), "owner": str(status.st_uid), "group": str(status.st_gid)}
    atomic.replace(name, fill, Wanted(wanted))
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns))
    return name
