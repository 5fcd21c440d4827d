"""What one pod's worker reports: the pod's status, made of what the API knows and of what is seen here."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from kprov.kube.kubelet import instruments
from kprov.kube.kubelet.pods.conditions import OWN_CONDITIONS
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.records import PodRecord
from kprov.kube.kubelet.pods.status import Observation, pod_status

Pod = dict[str, Any]


class Reports:
    """Puts a pod's status where it is written to the API from.

    Args:
        host: writes the statuses of all pods.
        pod: as it was first seen.
    """

    def __init__(self, host: Host, pod: Pod) -> None:
        self._host, self._uid = host, pod["metadata"]["uid"]
        # when the pod was first seen, until it runs; one that ran before the kubelet was restarted is not timed
        self._seen_at = None if (pod.get("status") or {}).get("startTime") else time.monotonic()

    def put(self, pod: Pod, record: PodRecord, seen: Observation) -> None:
        """Report how a pod stands."""
        status = pod_status({**pod, "status": self.known(pod)}, record, seen)
        if self._seen_at is not None and status.get("phase") != "Pending":
            instruments.POD_STARTS.observe(time.monotonic() - self._seen_at)
            self._seen_at = None
        self._host.statuses.put(pod, status)

    def known(self, pod: Pod) -> dict[str, Any]:
        """The API's status with what was reported since; the conditions that others set are the API's."""
        seen = pod.get("status") or {}
        reported = self._host.statuses.current(self._uid)
        if reported is None:
            return seen
        own = [each for each in reported.get("conditions") or [] if each["type"] in OWN_CONDITIONS]
        others = [each for each in seen.get("conditions") or [] if each["type"] not in OWN_CONDITIONS]
        known = {**seen, **reported, "conditions": own + others}
        if seen.get("phase") in ("Succeeded", "Failed"):
            known["phase"] = seen["phase"]
        return known

    async def written(self, seconds: float) -> None:
        """Wait until the API has it, but not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._host.statuses.flush(self._uid)
