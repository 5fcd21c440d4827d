"""What the machine has, what of it pods may use, and when it runs short."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kprov.kube.api import quantity
from kprov.kube.kubelet.config import KubeletConfig
from kprov.kube.kubelet.node import facts
from kprov.kube.kubelet.pods.resources import amount


def threshold(text: str, total: int) -> int:
    """Bytes (or inodes) of an eviction threshold, which is a quantity or a share of ``total``."""
    if text.endswith("%"):
        return int(total * float(text[:-1]) / 100)
    return quantity.value(text)


@dataclass(frozen=True, slots=True)
class Capacity:
    """Numbers by resource: millicores for cpu, whole units for all else."""

    total: dict[str, int]
    allocatable: dict[str, int]

    @staticmethod
    def measure(config: KubeletConfig, root: Path) -> Capacity:
        """The machine as it is now."""
        memory, _ = facts.memory()
        disk = facts.disk(root)
        total = {
            "cpu": facts.cpus() * 1000,
            "memory": memory,
            "ephemeral-storage": disk.size,
            "pods": config.max_pods,
            "hugepages-1Gi": 0,
            "hugepages-2Mi": 0,
        }
        allocatable = dict(total)
        for reserved in (config.system_reserved, config.kube_reserved):
            for name, text in reserved.items():
                if name in allocatable:
                    allocatable[name] -= amount(name, text)
        hard = config.eviction_hard
        allocatable["memory"] -= threshold(hard.get("memory.available", "0"), memory)
        allocatable["ephemeral-storage"] -= threshold(hard.get("nodefs.available", "0"), disk.size)
        return Capacity(total, {name: max(number, 0) for name, number in allocatable.items()})

    def render(self, numbers: dict[str, int]) -> dict[str, str]:
        """As the API writes them."""
        return {name: _shown(name, number) for name, number in numbers.items()}


def _shown(name: str, number: int) -> str:
    if name == "cpu":
        return str(number // 1000) if number % 1000 == 0 else f"{number}m"
    if name in ("memory", "ephemeral-storage") and number % 1024 == 0:
        return f"{number // 1024}Ki"
    return str(number)


@dataclass(slots=True)
class Pressure:
    """Which of the machine's resources run short, by the thresholds of evictionHard."""

    memory: str = ""  # empty, or what is short, in words
    disk: str = ""
    processes: str = ""

    @staticmethod
    def measure(config: KubeletConfig, root: Path) -> Pressure:
        """The machine as it is now."""
        found = Pressure()
        hard = config.eviction_hard
        total, available = facts.memory()
        if (limit := hard.get("memory.available")) and available < threshold(limit, total):
            found.memory = f"memory available {available // 1024}Ki is below {limit}"
        disk = facts.disk(root)
        if (limit := hard.get("nodefs.available")) and disk.available < threshold(limit, disk.size):
            found.disk = f"ephemeral-storage available {disk.available // 1024}Ki is below {limit}"
        elif (
            (limit := hard.get("nodefs.inodesFree"))
            and disk.inodes
            and disk.inodes_free < threshold(limit, disk.inodes)
        ):
            found.disk = f"inodes free {disk.inodes_free} is below {limit}"
        if limit := hard.get("pid.available"):
            used, allowed = facts.processes()
            if allowed - used < threshold(limit, allowed):
                found.processes = f"pids available {allowed - used} is below {limit}"
        return found
