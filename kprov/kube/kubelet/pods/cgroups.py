"""The control groups of pods: where they are, and the limits that are a pod's, not a container's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from kprov.kube.kubelet.pods import resources

Pod = dict[str, Any]

ROOT = Path("/sys/fs/cgroup")
# v1 controllers in which a pod has limits of its own; the runtime makes folders in the others as it needs them
_LIMITED = ("cpu", "memory", "pids")


class Cgroups:
    """The tree below ``kubepods``."""

    def __init__(
        self,
        driver: str,
        cgroup_root: str,
        *,
        period: float = 0.1,
        quota: bool = True,
        pids: int = -1,
        root: Path = ROOT,
    ) -> None:
        """``driver`` is cgroupfs or systemd; ``cgroup_root`` the folder that ``kubepods`` is made in."""
        self.systemd = driver == "systemd"
        self.prefix = cgroup_root.strip("/")
        self.root = root
        self.unified = (root / "cgroup.controllers").exists()
        self.period, self.quota, self.pids = period, quota, pids

    def parent(self, pod: Pod) -> str:
        """The cgroup parent as the runtime wants it."""
        quality = resources.qos_class(pod)
        uid = pod["metadata"]["uid"]
        if self.systemd:
            tier = "" if quality == resources.GUARANTEED else f"-{quality.lower()}"
            return f"kubepods{tier}-pod{uid.replace('-', '_')}.slice"
        tier = "" if quality == resources.GUARANTEED else f"/{quality.lower()}"
        return f"/{self.prefix}/kubepods{tier}/pod{uid}" if self.prefix else f"/kubepods{tier}/pod{uid}"

    def group(self, pod: Pod) -> str:
        """Where the pod's group lies below the root of each controller."""
        parent = self.parent(pod)
        return _slice(parent) if self.systemd else parent

    def inside(self, group: str, container: str) -> str:
        """Where a container, or a sandbox, of containerd's lies in its pod's group."""
        return f"{group}/cri-containerd-{container}.scope" if self.systemd else f"{group}/{container}"

    def tiers(self) -> tuple[str, ...]:
        """The groups above those of pods: all pods', and those of the two lower classes of quality."""
        if self.systemd:
            return tuple(_slice(f"kubepods{tier}.slice") for tier in ("", "-burstable", "-besteffort"))
        top = f"/{self.prefix}/kubepods" if self.prefix else "/kubepods"
        return top, f"{top}/burstable", f"{top}/besteffort"

    def prepare(self, pod: Pod) -> None:
        """Make the pod's group with its limits; where the machine lets nobody write, containers' own remain."""
        requests, limits = resources.pod_requests(pod), resources.pod_limits(pod)
        shares = resources.cpu_shares(requests.get("cpu", 0))
        quota = resources.cpu_quota(limits.get("cpu", 0), self.period) if self.quota else 0
        memory = limits.get("memory", 0)
        if self.systemd:
            self._set_slice(self.parent(pod), shares, quota, memory)
            return
        path = self.parent(pod).strip("/")
        if self.unified:
            self._prepare_unified(path, shares, quota, memory)
        else:
            self._prepare_v1(path, shares, quota, memory)

    def _prepare_v1(self, path: str, shares: int, quota: int, memory: int) -> None:
        for controller in _LIMITED:
            base = self.root / controller
            if not base.is_dir():
                continue
            folder = base / path
            folder.mkdir(parents=True, exist_ok=True)
            if controller == "cpu":
                _write(folder / "cpu.shares", shares)
                if quota:
                    _write(folder / "cpu.cfs_period_us", int(self.period * 1e6))
                    _write(folder / "cpu.cfs_quota_us", quota)
            elif controller == "memory" and memory:
                _write(folder / "memory.limit_in_bytes", memory)
            elif controller == "pids" and self.pids > 0:
                _write(folder / "pids.max", self.pids)

    def _prepare_unified(self, path: str, shares: int, quota: int, memory: int) -> None:
        folder = self.root
        offered = (self.root / "cgroup.controllers").read_text().split()
        wanted = " ".join(
            f"+{name}" for name in ("cpuset", "cpu", "io", "memory", "hugetlb", "pids") if name in offered
        )
        for part in path.split("/"):
            _write(folder / "cgroup.subtree_control", wanted)
            folder /= part
            folder.mkdir(exist_ok=True)
        _write(folder / "cgroup.subtree_control", wanted)
        _write(folder / "cpu.weight", 1 + (shares - 2) * 9999 // 262142)
        if quota:
            _write(folder / "cpu.max", f"{quota} {int(self.period * 1e6)}")
        if memory:
            _write(folder / "memory.max", memory)
        if self.pids > 0:
            _write(folder / "pids.max", self.pids)

    def _set_slice(self, unit: str, shares: int, quota: int, memory: int) -> None:
        weight = (
            [f"CPUWeight={max(1, min(10000, 1 + (shares - 2) * 9999 // 262142))}"]
            if self.unified
            else [f"CPUShares={shares}"]
        )
        properties = [*weight]
        if quota:
            properties.append(f"CPUQuota={quota / (self.period * 1e4):.1f}%")
        if memory:
            properties.append(f"{'MemoryMax' if self.unified else 'MemoryLimit'}={memory}")
        if self.pids > 0:
            properties.append(f"TasksMax={self.pids}")
        subprocess.run(["systemctl", "set-property", "--runtime", unit, *properties], check=False, capture_output=True)

    def remove(self, uid: str) -> None:
        """Remove what is left of a pod's groups; groups with processes stay."""
        if self.systemd:
            for quality in ("", "-burstable", "-besteffort"):
                unit = f"kubepods{quality}-pod{uid.replace('-', '_')}.slice"
                if Path(f"/run/systemd/system.control/{unit}.d").exists():
                    subprocess.run(["systemctl", "stop", unit], check=False, capture_output=True)
                    subprocess.run(["systemctl", "revert", unit], check=False, capture_output=True)
            return
        bases = (
            [self.root]
            if self.unified
            else [base for base in self.root.iterdir() if base.is_dir() and not base.is_symlink()]
        )
        for base in bases:
            for quality in ("", "burstable", "besteffort"):
                folder = base / self.prefix / "kubepods" / quality / f"pod{uid}"
                if folder.is_dir():
                    _remove_tree(folder)

    def pods(self) -> set[str]:
        """The uids of pods that have a group."""
        base = self.root if self.unified else self.root / "cpu"
        found = set()
        for quality in ("", "burstable", "besteffort"):
            folder = base / self.prefix / "kubepods" / quality
            if folder.is_dir():
                found |= {entry.name[3:] for entry in folder.iterdir() if entry.name.startswith("pod")}
        return found


def _slice(unit: str) -> str:
    """The folder of a slice: systemd lays a-b.slice into a.slice."""
    parts = unit.removesuffix(".slice").split("-")
    return "/" + "/".join(f"{'-'.join(parts[: length + 1])}.slice" for length in range(len(parts)))


def _write(path: Path, value: int | str) -> None:
    try:
        path.write_text(str(value))
    except OSError:
        # read-only controllers (nested machines) and limits below present use: the container's own limits still hold
        return


def _remove_tree(folder: Path) -> None:
    for inner, _, _ in os.walk(folder, topdown=False):
        try:
            Path(inner).rmdir()
        except OSError:
            continue
