"""Writes decisions to the API server: bindings, and why there was none."""

from __future__ import annotations

import logging

import aiohttp

from kprov.kube.api import clock
from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.events import EventRecorder
from kprov.kube.api.kinds import PODS, Object
from kprov.kube.scheduler.pod_info import PodInfo

log = logging.getLogger(__name__)


class BindingFailed(Exception):
    """The pod was not bound, or not to this node. The message says why."""


class Binder:
    """Binds pods, and tells on their status and in events what became of them.

    Args:
        client: the API server.
        recorder: for events.
    """

    def __init__(self, client: ApiClient, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder

    async def bind(self, pod: PodInfo, node: str) -> None:
        """Bind a pod to a node. A lost reply is resolved by reading, never by binding again.

        Raises:
            BindingFailed: the pod is not on that node.
        """
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"kind": "Node", "name": node},
        }
        try:
            await self._client.create_subresource(PODS, pod.name, pod.namespace, "binding", body)
        except ApiError as error:
            if error.code < 500 or not await self._is_on(pod, node):
                raise BindingFailed(str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if not await self._is_on(pod, node):
                raise BindingFailed(str(error) or type(error).__name__) from error
        message = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        self._recorder.event(pod.object, "Normal", "Scheduled", message)

    async def close(self) -> None:
        """Write the events that still wait, shortly."""
        await self._recorder.close()

    async def _is_on(self, pod: PodInfo, node: str) -> bool:
        try:
            current = await self._client.get(PODS, pod.name, pod.namespace)
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError):
            return False
        return bool(current["metadata"].get("uid") == pod.uid and current["spec"].get("nodeName") == node)

    async def report_failure(self, pod: PodInfo, reason: str, message: str, nominated: str | None = None) -> None:
        """Say why a pod has no place: the condition PodScheduled, and an event.

        Args:
            pod: the pod.
            reason: Unschedulable or SchedulerError.
            message: the sentence for people.
            nominated: the node where preemption makes room for it; an empty text clears it; None leaves it.
        """
        self._recorder.event(pod.object, "Warning", "FailedScheduling", message)
        status = pod.object.get("status") or {}
        old = next((c for c in status.get("conditions") or () if c.get("type") == "PodScheduled"), None)
        same = old and (old.get("status"), old.get("reason"), old.get("message")) == ("False", reason, message)
        if same and (nominated is None or nominated == (status.get("nominatedNodeName") or "")):
            return
        condition: Object = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        condition["lastProbeTime"] = None
        if not old or old.get("status") != "False":
            condition["lastTransitionTime"] = clock.now()
        patch: Object = {"conditions": [condition]}
        if nominated is not None:
            patch["nominatedNodeName"] = nominated or None
        await self._patch_status(pod, patch)

    async def evict(self, victim: PodInfo, preemptor: PodInfo, node: str) -> None:
        """Delete a pod that makes room for a more important one; one that is gone already is fine.

        Raises:
            ApiError, aiohttp.ClientError: it could not be deleted.
        """
        await self._patch_status(
            victim,
            {
                "conditions": [
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "reason": "PreemptionByScheduler",
                        "message": "default-scheduler: preempting to accommodate a higher priority pod",
                        "lastTransitionTime": clock.now(),
                    }
                ]
            },
        )
        try:
            await self._client.delete(PODS, victim.name, victim.namespace, uid=victim.uid)
        except ApiError as error:
            if not is_not_found(error):
                raise
        self._recorder.event(victim.object, "Normal", "Preempted", f"Preempted by pod {preemptor.uid} on node {node}")

    async def _patch_status(self, pod: PodInfo, status: Object) -> None:
        patch = {"metadata": {"uid": pod.uid}, "status": status}
        try:
            await self._client.patch(PODS, pod.name, pod.namespace, patch, patch_type="strategic", subresource="status")
        except ApiError as error:
            if not is_not_found(error):
                log.warning("the status of pod %s was not updated: %s", pod.key, error)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("the status of pod %s was not updated: %s", pod.key, error or type(error).__name__)
