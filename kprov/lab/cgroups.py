"""The machines' cgroups, on hosts with cgroup v1 (or both kinds) and with v2: make, enter, empty, remove."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kprov.lab.errors import LabError


def hierarchies(mounts: str | None = None) -> list[Path]:
    """The mount point of every cgroup hierarchy of this host, each once.

    Args:
        mounts: what /proc/self/mounts says (given in tests).
    """
    text = Path("/proc/self/mounts").read_text() if mounts is None else mounts
    rows = [line.split() for line in text.splitlines()]
    found = [Path(row[1]) for row in rows if row[2] in {"cgroup", "cgroup2"} and row[1].startswith("/sys/fs/cgroup")]
    return list(dict.fromkeys(found))


def host_is_unified(mounts: str | None = None) -> bool:
    """Whether the host has cgroup v2 alone."""
    return hierarchies(mounts) == [Path("/sys/fs/cgroup")]


class MachineGroup:
    """The same group in every hierarchy: ``kprov-lab/cp1``."""

    def __init__(self, lab: str, name: str, roots: list[Path] | None = None) -> None:
        self._lab = lab
        self._roots = hierarchies() if roots is None else roots
        self.paths = [root / f"kprov-{lab}" / name for root in self._roots]

    def create(self) -> None:
        """Make the group everywhere, with all that the parent has to give."""
        for root, path in zip(self._roots, self.paths, strict=True):
            path.parent.mkdir(exist_ok=True)
            self._prepare(root, path.parent)
            path.mkdir(exist_ok=True)
            if (path / "cpuset.cpus").exists():
                self._copy_cpuset(path.parent, path)
            self._weigh(path.parent)

    @staticmethod
    def _weigh(lab: Path) -> None:
        # On a busy host a group gets as much of the processors as a single process outside: that is for one machine,
        # whose supervisor has a group too.
        machines = (len(list(lab.glob("*/"))) + 1) // 2
        for name, one, most in (("cpu.shares", 1024, 262144), ("cpu.weight", 100, 10000)):
            if (lab / name).exists():
                (lab / name).write_text(str(min(one * machines, most)))

    def _prepare(self, root: Path, lab: Path) -> None:
        if (lab / "cpuset.cpus").exists() and (lab / "cgroup.clone_children").exists():
            self._copy_cpuset(root, lab)
        controllers = root / "cgroup.controllers"
        if controllers.exists():
            wanted = " ".join(f"+{name}" for name in controllers.read_text().split())
            for group in (root, lab):
                if wanted:
                    (group / "cgroup.subtree_control").write_text(wanted)

    @staticmethod
    def _copy_cpuset(parent: Path, child: Path) -> None:
        # A v1 cpuset group starts empty, and no process may enter an empty one.
        if not (child / "cgroup.clone_children").exists():
            return
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not (child / name).read_text().strip():
                (child / name).write_text((parent / name).read_text())
        (child / "cgroup.clone_children").write_text("1")

    def enter(self) -> None:
        """Move the calling process into the group."""
        for path in self.paths:
            (path / "cgroup.procs").write_text("0")

    def processes(self) -> set[int]:
        """Every process in the group or below it."""
        found: set[int] = set()
        for path in self.paths:
            for folder in self._tree(path):
                with suppress(OSError):
                    found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        return found - {0}

    @staticmethod
    def _tree(path: Path) -> Iterator[Path]:
        """The group and those below it, deepest first."""
        for folder, _, _ in os.walk(path, topdown=False):
            yield Path(folder)

    def kill(self, *, deadline: float = 20.0) -> None:
        """Kill everything in the group, and return when it is gone. Raises LabError naming what would not die."""
        end = time.monotonic() + deadline
        while left := self.processes():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > end:
                raise LabError(f"processes {sorted(left)} of {self.paths[0].name} do not die")
            time.sleep(0.01)

    def remove(self, *, deadline: float = 20.0) -> None:
        """Kill what is in the group, then remove it everywhere, and the lab's own group when it was the last."""
        self.kill(deadline=deadline)
        end = time.monotonic() + deadline
        for path in self.paths:
            while path.exists():
                try:
                    for folder in self._tree(path):
                        folder.rmdir()
                except OSError as error:  # the kernel still puts the last dead processes away
                    if time.monotonic() > end:
                        raise LabError(f"cannot remove the cgroup {path}: {error.strerror}") from error
                    time.sleep(0.01)
            with suppress(OSError):
                path.parent.rmdir()


def groups_of(lab: str, roots: list[Path] | None = None) -> list[MachineGroup]:
    """Every group that a lab has on this host, also of machines that its state forgot."""
    roots = hierarchies() if roots is None else roots
    names = {path.name for root in roots for path in (root / f"kprov-{lab}").glob("*/")}
    return [MachineGroup(lab, name, roots) for name in sorted(names)]
