"""Watches how files come about: nothing is written in place, everything is renamed there, whole, closed and synced."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class AtomicWatch:
    """What was seen under a folder while it was watched."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.written_in_place: list[str] = []
        self.placed: dict[tuple[int, int], tuple[int, int, int]] = {}  # inode -> mode, uid, gid when it got its name
        self.synced: set[tuple[int, int]] = set()
        self.all_synced = False

    def event(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Python's audit event."""
        if name == "open":
            path, _, flags = arguments
            if isinstance(path, bytes):
                path = os.fsdecode(path)
            if not isinstance(path, str) or not self._ours(path) or not flags & (os.O_WRONLY | os.O_RDWR):
                return
            if not any(part.startswith(".kprov-") for part in path.split("/")) and not flags & os.O_EXCL:
                self.written_in_place.append(path)
        elif name == "os.rename":
            source, target = os.fsdecode(arguments[0]), os.fsdecode(arguments[1])
            if self._ours(target):
                for path in [Path(source), *Path(source).rglob("*")]:
                    status = path.lstat()
                    self.placed[status.st_dev, status.st_ino] = (status.st_mode, status.st_uid, status.st_gid)

    def _ours(self, path: str) -> bool:
        return path.startswith(self.root + "/") and not path.startswith(self.root + "/proc/")

    def check(self, paths: set[str]) -> None:
        """Every one of these files, whose content changed, was written beside its place and renamed there."""
        assert not self.written_in_place, f"written in place: {self.written_in_place}"
        for name in sorted(path for path in paths if not path.startswith("proc/")):
            path = Path(self.root, name)
            if not os.path.lexists(path) or not stat.S_ISREG(path.lstat().st_mode) or not path.lstat().st_size:
                continue
            status = path.lstat()
            if status.st_nlink > 1:
                continue  # another name of a file that is there
            key = (status.st_dev, status.st_ino)
            assert key in self.placed, f"{name} was not renamed into its place"
            found = (status.st_mode, status.st_uid, status.st_gid)
            assert self.placed[key] == found, f"{name} got its mode or owner after its name: {self.placed[key]} {found}"
            assert self.all_synced or key in self.synced, f"{name} was not synced before it got its name"


_active: list[AtomicWatch] = []


def _hook(name: str, arguments: tuple[Any, ...]) -> None:
    for watch in _active:
        watch.event(name, arguments)


_installed: list[bool] = []


@contextlib.contextmanager
def watching(root: Path, monkeypatch: Any) -> Iterator[AtomicWatch]:
    """Watch a folder. (An audit hook stays for the process's life, so there is one, and it is idle otherwise.)"""
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    watch = AtomicWatch(root)
    fsync, sync = os.fsync, os.sync

    def noted_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        watch.synced.add((status.st_dev, status.st_ino))
        fsync(descriptor)

    def noted_sync() -> None:
        watch.all_synced = True
        sync()

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", noted_fsync)
        patch.setattr(os, "sync", noted_sync)
        _active.append(watch)
        try:
            yield watch
        finally:
            _active.remove(watch)
