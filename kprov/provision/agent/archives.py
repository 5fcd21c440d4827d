"""What is in an archive, whatever kind of archive it is."""

from __future__ import annotations

import stat
import tarfile
import time
import zipfile
from collections.abc import Iterator
from typing import Any, Callable


class Member:
    """One path of an archive, whatever kind of archive it is."""

    def __init__(
        self, name: str, kind: str, mode: int, mtime: int, size: int, target: str, data: Callable[[], Any] | None
    ) -> None:
        self.name, self.kind, self.mode, self.mtime = name, kind, mode, mtime
        self.size, self.target, self._data = size, target, data

    def open(self) -> Any:
        """The content of a file."""
        assert self._data is not None
        return self._data()


def tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    """What is in a tar archive, devices left out."""
    for info in archive:
        kind = "directory" if info.isdir() else "link" if info.issym() else "hard" if info.islnk() else "file"
        if info.isdev():
            continue
        yield Member(
            info.name, kind, info.mode & 0o7777, int(info.mtime), info.size, info.linkname,
            lambda info=info: archive.extractfile(info),  # type: ignore[misc]
        )  # fmt: skip


def zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    """What is in a zip archive."""
    for info in archive.infolist():
        attributes = info.external_attr >> 16
        mtime = int(time.mktime((*info.date_time, 0, 0, -1)))
        if stat.S_ISLNK(attributes):
            yield Member(info.filename, "link", 0o777, mtime, 0, archive.read(info).decode(), None)
            continue
        kind = "directory" if info.is_dir() else "file"
        mode = attributes & 0o7777 or (0o755 if info.is_dir() else 0o644)
        data: Callable[[], Any] = lambda info=info: archive.open(info)  # type: ignore[misc]  # noqa: E731
        yield Member(info.filename.rstrip("/"), kind, mode, mtime, info.file_size, "", data)
