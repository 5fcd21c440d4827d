"""stat: what is at a path. Parameters: path, follow, get_checksum (SHA-256). Returns Ansible's `stat` mapping."""

from __future__ import annotations

import os
import stat
from typing import Any

from kprov.provision.agent.attributes import group_name, owner_name
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_hash
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "path": Parameter("path", required=True, aliases=("dest", "name")),
    "follow": Parameter("bool", default=False),
    "get_checksum": Parameter("bool", default=True),
    "checksum_algorithm": Parameter("str", default="sha256", choices=("sha256",)),
}


def run(call: Call) -> dict[str, Any]:
    """Look."""
    path = call["path"]
    try:
        status = os.stat(path) if call["follow"] else os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"changed": False, "stat": {"exists": False, "path": path}}
    mode = status.st_mode
    found: dict[str, Any] = {
        "exists": True,
        "path": path,
        "mode": "%04o" % stat.S_IMODE(mode),
        "isdir": stat.S_ISDIR(mode),
        "isreg": stat.S_ISREG(mode),
        "islnk": stat.S_ISLNK(mode),
        "issock": stat.S_ISSOCK(mode),
        "isblk": stat.S_ISBLK(mode),
        "ischr": stat.S_ISCHR(mode),
        "isfifo": stat.S_ISFIFO(mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "pw_name": owner_name(status.st_uid),
        "gr_name": group_name(status.st_gid),
        "size": status.st_size,
        "inode": status.st_ino,
        "dev": status.st_dev,
        "nlink": status.st_nlink,
        "mtime": status.st_mtime,
        "ctime": status.st_ctime,
        "atime": status.st_atime,
        "executable": os.access(path, os.X_OK),
        "readable": os.access(path, os.R_OK),
        "writeable": os.access(path, os.W_OK),
    }
    if stat.S_ISLNK(mode):
        found["lnk_source"] = os.path.realpath(path)
        found["lnk_target"] = os.readlink(path)
    if call["get_checksum"] and stat.S_ISREG(mode):
        found["checksum"] = file_hash(path)
    return {"changed": False, "stat": found}
