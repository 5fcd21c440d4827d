"""Archives of file trees that come out byte for byte the same whenever the content is the same."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path


def plain_entry(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Take out of an entry what depends on who packed it, and when."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    return info


def pack(tree: Path, target: Path) -> None:
    """Pack a folder's content as a tar.gz.

    Args:
        tree: the folder; its own name is not in the archive.
        target: the archive to write.
    """
    with (
        open(target, "wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in sorted(tree.rglob("*")):
            archive.add(path, str(path.relative_to(tree)), recursive=False, filter=plain_entry)
