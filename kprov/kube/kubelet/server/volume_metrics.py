"""Of /metrics: how full the claimed volumes are, which upstream takes from the file systems on which they lie.

A file system may be long in answering, or never answer: one of another machine, mounted into a folder of this one. So
it is asked beside the kubelet's work, and where it takes too long, what was measured last is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from kprov.kube.api.metrics import LabelValues, Registry
from kprov.kube.kubelet.node.facts import Disk, disk
from kprov.kube.kubelet.pods.host import Host

MEASURED_WITHIN = 2.0
_LABELS = ("namespace", "persistentvolumeclaim")
_ROOM: dict[str, tuple[str, Callable[[Disk], int]]] = {
    "capacity_bytes": ("Capacity in bytes of the volume", lambda disk: disk.size),
    "available_bytes": ("Number of available bytes in the volume", lambda disk: disk.available),
    "used_bytes": ("Number of used bytes in the volume", lambda disk: disk.size - disk.free),
    "inodes": ("Maximum number of inodes in the volume", lambda disk: disk.inodes),
    "inodes_free": ("Number of free inodes in the volume", lambda disk: disk.inodes_free),
    "inodes_used": ("Number of used inodes in the volume", lambda disk: disk.inodes - disk.inodes_free),
}

Disks = Mapping[LabelValues, Disk]
"""By a claim's namespace and name."""


class VolumeMetrics:
    """Measures when asked.

    Args:
        host: knows which claims are in use, and where they lie.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._disks: Disks = {}
        self._measuring: asyncio.Task[Disks] | None = None

    async def text(self) -> str:
        """All of it in Prometheus' form."""
        claimed = self._host.volumes.claimed()
        if self._measuring is None:
            self._measuring = asyncio.create_task(asyncio.to_thread(_measured, claimed))
        measuring = self._measuring
        await asyncio.wait((measuring,), timeout=MEASURED_WITHIN)
        if measuring.done():
            self._disks = measuring.result()
            if self._measuring is measuring:
                self._measuring = None
        return rendered({claim: found for claim, found in self._disks.items() if claim in claimed})


def _measured(claimed: Mapping[LabelValues, Path]) -> Disks:
    found = {}
    for claim, path in claimed.items():
        try:
            if path.exists():
                found[claim] = disk(path)
        except OSError:  # the other machine that has it knows it no longer
            continue
    return found


def rendered(disks: Disks) -> str:
    """What is known of claims, in Prometheus' form."""
    registry = Registry()
    for name, (text, of) in _ROOM.items():
        gauge = registry.gauge(f"kubelet_volume_stats_{name}", text, _LABELS)
        for claim, found in disks.items():
            gauge.set(of(found), *claim)
    return registry.render(process=False)
