"""Makes room when the machine runs short: images first for the disk, then pods, one at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from kprov.kube.kubelet import instruments
from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.names import POD_UID, full_name
from kprov.kube.kubelet.node.capacity import Pressure
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.manager import PodManager
from kprov.kube.kubelet.pods.resources import is_critical, pod_requests
from kprov.kube.kubelet.pods.worker import PodWorker

log = logging.getLogger(__name__)

PERIOD = 10.0
_SIGNALS = {"memory": "memory.available", "ephemeral-storage": "nodefs.available", "pids": "pid.available"}


class Evictor:
    """Looks at the machine's pressure and fails the pod that costs most and matters least."""

    def __init__(self, host: Host, pods: PodManager, measure: Callable[[], Pressure]) -> None:
        """``measure`` tells what runs short now."""
        self._host, self._pods, self._measure = host, pods, measure

    async def run(self) -> None:
        """Look for ever. Pressure must last for two looks: a short peak ends no pod."""
        before = False
        while True:
            pressure = await asyncio.to_thread(self._measure)
            short = bool(pressure.memory or pressure.disk or pressure.processes)
            if short and before:
                try:
                    await self.once(pressure)
                except RuntimeFailure as failure:
                    log.warning("nothing is evicted: %s", failure)
            before = short
            await asyncio.sleep(PERIOD)

    async def once(self, pressure: Pressure) -> PodWorker | None:
        """Evict one pod; returns it, or None where there is nobody. Raises RuntimeFailure."""
        used: dict[str, int] = {}
        for stats in await self._host.runtime.stats():
            uid = stats.attributes.labels.get(POD_UID, "")
            number = stats.memory.working_set_bytes.value if pressure.memory else stats.writable_layer.used_bytes.value
            used[uid] = used.get(uid, 0) + number
        resource = "memory" if pressure.memory else "ephemeral-storage" if pressure.disk else "pids"
        candidates = [
            worker
            for worker in self._pods.workers.values()
            if not worker.ending and not worker.ended and not is_critical(worker.pod) and worker.record.running
        ]
        if not candidates:
            return None
        victim = min(candidates, key=lambda worker: rank(worker.pod, used.get(worker.uid, 0), resource))
        why = pressure.memory or pressure.disk or pressure.processes
        message = f"The node was low on resource: {resource}. {why[0].upper()}{why[1:]}. "
        log.warning("evicting pod %s: %s", full_name(victim.pod), message)
        self._host.event(victim.pod, "Warning", "Evicted", message, "")
        instruments.EVICTIONS.inc(_SIGNALS[resource])
        victim.evict("Evicted", message)
        return victim


def rank(pod: dict[str, Any], used: int, resource: str) -> tuple[bool, int, int]:
    """The order of eviction: those above their request first, then by priority, then by how far they are above it."""
    wanted = pod_requests(pod).get(resource, 0)
    return (used <= wanted, int(pod["spec"].get("priority") or 0), wanted - used)
