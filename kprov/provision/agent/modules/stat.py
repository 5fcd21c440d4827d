"""stat: what is at a path.

Parameters:
    path: which.
    follow: what a link points to is looked at.
    get_checksum: read the file for its checksum.
    checksum_algorithm: the checksum's.
    get_mime: ask the program `file` for its kind.
    get_attributes: ask the program `lsattr` for its attributes.

Returns:
    stat: a mapping of exists, path, mode, size, mtime, isdir, isreg, islnk, checksum, pw_name, gr_name and more.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from kprov.provision.agent.attributes import group_name, owner_name
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import file_digests
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")

PARAMETERS = {
    "path": Parameter("path", required=True, aliases=("dest", "name")),
    "follow": Parameter("bool", default=False),
    "get_checksum": Parameter("bool", default=True),
    "checksum_algorithm": Parameter("str", default="sha1", choices=ALGORITHMS, aliases=("checksum", "checksum_algo")),
    "get_mime": Parameter("bool", default=False, aliases=("mime", "mime_type", "mime-type")),
    "get_attributes": Parameter("bool", default=False, aliases=("attr", "attributes")),
}


def described(path: str, status: os.stat_result) -> dict[str, Any]:
    """What `find` and `stat` tell of a path alike."""
    mode = status.st_mode
    found: dict[str, Any] = {
        "path": path,
        "mode": "%04o" % stat.S_IMODE(mode),
        "isdir": stat.S_ISDIR(mode),
        "ischr": stat.S_ISCHR(mode),
        "isblk": stat.S_ISBLK(mode),
        "isreg": stat.S_ISREG(mode),
        "isfifo": stat.S_ISFIFO(mode),
        "islnk": stat.S_ISLNK(mode),
        "issock": stat.S_ISSOCK(mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "size": status.st_size,
        "inode": status.st_ino,
        "dev": status.st_dev,
        "nlink": status.st_nlink,
        "atime": status.st_atime,
        "mtime": status.st_mtime,
        "ctime": status.st_ctime,
        "isuid": bool(mode & stat.S_ISUID),
        "isgid": bool(mode & stat.S_ISGID),
        "pw_name": owner_name(status.st_uid),
        "gr_name": group_name(status.st_gid),
    }
    for shift, who in ((6, "usr"), (3, "grp"), (0, "oth")):
        for bit, what in ((4, "r"), (2, "w"), (1, "x")):
            found[what + who] = bool(mode >> shift & bit)
    return found


def _asked(call: Call, path: str, found: dict[str, Any]) -> None:
    """What only programs know."""
    if call["get_mime"]:
        words = call.run(["file", "--mime-type", "--mime-encoding", "--brief", path], succeed=False).stdout
        kind, _, charset = words.strip().partition("; charset=")
        found["mimetype"], found["charset"] = kind or "unknown", charset or "unknown"
    if call["get_attributes"]:
        fields = call.run(["lsattr", "-vd", path], succeed=False).stdout.split()
        if len(fields) >= 2:
            found["version"], found["attr_flags"] = fields[0], fields[1].replace("-", "")


def run(call: Call) -> dict[str, Any]:
    """Look."""
    path = call["path"]
    try:
        status = os.stat(path) if call["follow"] else os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"changed": False, "stat": {"exists": False}}
    except OSError as error:
        raise ModuleFailed("%s cannot be looked at: %s" % (path, error.strerror)) from None
    found = {"exists": True, **described(path, status)}
    found.update(
        block_size=status.st_blksize,
        blocks=status.st_blocks,
        device_type=status.st_rdev,
        executable=os.access(path, os.X_OK),
        readable=os.access(path, os.R_OK),
        writeable=os.access(path, os.W_OK),
    )
    if found["islnk"]:
        found["lnk_source"] = os.path.realpath(path)
        found["lnk_target"] = os.readlink(path)
    if call["get_checksum"] and found["isreg"] and found["readable"]:
        found["checksum"] = file_digests(path, call["checksum_algorithm"])[0]
    _asked(call, path, found)
    return {"changed": False, "stat": found}
