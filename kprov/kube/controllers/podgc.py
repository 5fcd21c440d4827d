"""Pods that nobody will finish: of nodes that are gone, and too many finished ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import NODES, PODS
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import Context, Controller, every

Object = dict[str, Any]
log = logging.getLogger(__name__)
PERIOD = 20.0
# A node that was just registered, or a cache that is behind, must not cost a pod: wait, then ask the API server.
QUARANTINE = 40.0


class PodGarbageCollector(Controller):
    """Deletes pods by force where no kubelet will ever answer for them."""

    name = "podgc"
    account = "pod-garbage-collector"
    workers = 0

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = self.watch(PODS)
        self.nodes = self.watch(NODES)
        self._missing_since: dict[str, float] = {}

    def loops(self) -> Iterable[Coroutine[Any, Any, None]]:
        """One sweep every twenty seconds."""
        return (every(PERIOD, self.sweep, "pod garbage collection"),)

    async def sweep(self) -> None:
        """One pass over all pods."""
        pods = self.pods.list()
        for pod in self._surplus(pods):
            await self._delete(pod, None)
        await self._orphans(pods)
        for pod in pods:
            if pod["metadata"].get("deletionTimestamp") and not pod["spec"].get("nodeName"):
                await self._delete(pod, None)
            elif pod["metadata"].get("deletionTimestamp") and self._is_out_of_service(pod):
                await self._delete(pod, "out-of-service")

    def _surplus(self, pods: list[Object]) -> list[Object]:
        threshold = self.context.options.terminated_pod_gc_threshold
        if threshold <= 0:
            return []
        finished = [pod for pod in pods if pod_state.is_finished(pod)]
        finished.sort(key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))
        return finished[: max(0, len(finished) - threshold)]

    def _is_out_of_service(self, pod: Object) -> bool:
        node = self.nodes.get(pod["spec"]["nodeName"])
        if node is None or pod_state.is_ready(node):
            return False
        return any(
            taint.get("key") == "node.kubernetes.io/out-of-service" for taint in node["spec"].get("taints") or ()
        )

    async def _orphans(self, pods: list[Object]) -> None:
        homeless: dict[str, list[Object]] = {}
        for pod in pods:
            name = pod["spec"].get("nodeName")
            if name and self.nodes.get(name) is None:
                homeless.setdefault(name, []).append(pod)
        now = clock.steady()
        self._missing_since = {name: self._missing_since.get(name, now) for name in homeless}
        for name, residents in homeless.items():
            if now - self._missing_since[name] < QUARANTINE or not await self._is_gone(name):
                continue
            await asyncio.gather(*(self._delete(pod, "node is gone") for pod in residents))

    async def _is_gone(self, name: str) -> bool:
        try:
            await self.client.get(NODES, name)
        except ApiError as error:
            return is_not_found(error)  # any other answer says nothing about the node
        return False

    async def _delete(self, pod: Object, why: str | None) -> None:
        metadata = pod["metadata"]
        try:
            if why and not pod_state.is_finished(pod):
                stamp = clock.format_time(clock.seconds())
                disrupted = {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "DeletionByPodGC",
                    "message": f"PodGC: {why}",
                    "lastTransitionTime": stamp,
                }
                patch = {"metadata": {"uid": metadata["uid"]}, "status": {"phase": "Failed", "conditions": [disrupted]}}
                await self.client.patch(
                    PODS, metadata["name"], metadata["namespace"], patch, patch_type="strategic", subresource="status"
                )
            await self.client.delete(
                PODS, metadata["name"], metadata["namespace"], grace_period_seconds=0, uid=metadata["uid"]
            )
        except ApiError as error:
            if not is_not_found(error):
                log.warning("podgc: %s/%s: %s", metadata["namespace"], metadata["name"], error)
