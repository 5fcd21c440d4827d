"""Pods on nodes with NoExecute taints: each goes when its tolerations say so."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import NODES, PODS
from kprov.kube.controllers import taints
from kprov.kube.controllers.controller import NODE_INDEX, Context, Controller, node_keys

Object = dict[str, Any]


class TaintEviction(Controller):
    """Deletes pods that do not tolerate their node's NoExecute taints (any longer).

    The time that a pod may stay counts from the taint's own ``timeAdded``, so that a new leader goes on counting; from
    when it was first seen here on, no jump of the machine's time changes how long that is.
    """

    name = "taint-eviction-controller"
    account = "node-controller"
    component = "taint-eviction-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = context.indexed(PODS, NODE_INDEX, node_keys)
        self.nodes = self.watch(NODES, on_add=self._node_changed, on_update=self._node_updated)
        self.watch(PODS, on_add=self._pod_changed, on_update=self._pod_updated)
        self._since: dict[tuple[str, str], tuple[str | None, float]] = {}  # node, taint -> timeAdded, steady moment

    def _pod_changed(self, pod: Object) -> None:
        name = pod["spec"].get("nodeName")
        node = self.nodes.get(name) if name else None
        if node is not None and taints.no_execute(node):
            self.enqueue(pod)

    def _pod_updated(self, old: Object, new: Object) -> None:
        if (old["spec"].get("nodeName"), old["spec"].get("tolerations")) != (
            new["spec"].get("nodeName"),
            new["spec"].get("tolerations"),
        ):
            self._pod_changed(new)

    def _node_changed(self, node: Object) -> None:
        if taints.no_execute(node):
            for pod in self.pods.by_index(NODE_INDEX, node["metadata"]["name"]):
                self.enqueue(pod)

    def _node_updated(self, old: Object, new: Object) -> None:
        before, after = taints.no_execute(old), taints.no_execute(new)
        if before != after:
            for key in {taint["key"] for taint in before} - {taint["key"] for taint in after}:
                self._since.pop((new["metadata"]["uid"], key), None)
            self._node_changed(new)

    def _started(self, node: Object, found: list[Object]) -> float:
        """When the clock of these taints began to run: a moment of the steady clock."""
        starts = []
        for taint in found:
            key, added = (node["metadata"]["uid"], taint["key"]), taint.get("timeAdded")
            known = self._since.get(key)
            if known is None or known[0] != added:
                # A taint set by hand has no time: it counts from when it was first seen here.
                moment = clock.parse_time(added)
                begun = clock.steady() if moment is None else clock.steady_moment(moment)
                known = self._since[key] = (added, begun)
            starts.append(known[1])
        return max(starts)

    async def reconcile(self, key: str) -> None:
        """Delete the pod, or come back when its time is over."""
        pod = self.pods.get(key)
        if pod is None or pod["metadata"].get("deletionTimestamp") or not pod["spec"].get("nodeName"):
            return
        node = self.nodes.get(pod["spec"]["nodeName"])
        found = taints.no_execute(node) if node is not None else []
        if node is None or not found:
            return
        seconds = taints.stay_seconds(found, pod["spec"].get("tolerations") or [])
        if seconds is None:
            return
        left = self._started(node, found) + seconds - clock.steady() if seconds else 0.0
        if left > 0:
            self.queue.add_after(key, left)
            return
        self.recorder.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key_of(pod)}")
        try:
            await self.client.delete(
                PODS, pod["metadata"]["name"], pod["metadata"]["namespace"], uid=pod["metadata"]["uid"]
            )
        except ApiError as error:
            if not is_not_found(error):
                raise
