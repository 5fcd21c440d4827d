"""Nodes that stopped answering: their conditions become Unknown, and taints follow from conditions.

Three guards stand before pods are driven away. Time in which this daemon itself could not reach the API server does
not count against a node. A zone without one ready node is taken for a broken network, not for broken nodes, unless
another zone is well. And nodes are tainted one after the other, not all at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from kprov.kube.api import clock
from kprov.kube.api.errors import ApiError, is_conflict, is_not_found
from kprov.kube.api.kinds import LEASES, NODES, PODS
from kprov.kube.controllers import pod_state, taints
from kprov.kube.controllers.controller import NODE_INDEX, Context, Controller, every, node_keys

Object = dict[str, Any]
log = logging.getLogger(__name__)

CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
# condition -> status -> the taint that keeps new pods away
NO_SCHEDULE: dict[str, dict[str, str]] = {
    "Ready": {"False": taints.NOT_READY, "Unknown": taints.UNREACHABLE},
    "MemoryPressure": {"True": taints.MEMORY_PRESSURE},
    "DiskPressure": {"True": taints.DISK_PRESSURE},
    "PIDPressure": {"True": taints.PID_PRESSURE},
    "NetworkUnavailable": {"True": taints.NETWORK_UNAVAILABLE},
}
_OWN_NO_SCHEDULE = {key for row in NO_SCHEDULE.values() for key in row.values()} | {taints.UNSCHEDULABLE}
_OWN_NO_EXECUTE = {taints.NOT_READY, taints.UNREACHABLE}


@dataclass(slots=True)
class Health:
    """What was last seen of a node, and when it was seen to change, by a clock that no jump of the time moves."""

    seen: tuple[Any, ...]
    changed: float


def ready_status(node: Object) -> str:
    """True, False or Unknown; a node that never said anything is Unknown."""
    ready = pod_state.condition(node, "Ready")
    return str(ready["status"]) if ready else "Unknown"


def zone_of(node: Object) -> str:
    """The failure domain that the node says it is in."""
    labels = node["metadata"].get("labels") or {}
    region = labels.get("topology.kubernetes.io/region", "")
    return f"{region}/{labels.get('topology.kubernetes.io/zone', '')}"


def wanted_no_schedule(node: Object) -> set[str]:
    """The keys of the NoSchedule taints that the node's conditions ask for."""
    keys = {taints.UNSCHEDULABLE} if node["spec"].get("unschedulable") else set()
    for entry in (node.get("status") or {}).get("conditions") or ():
        key = NO_SCHEDULE.get(entry["type"], {}).get(entry["status"])
        if key:
            keys.add(key)
    return keys


class NodeLifecycle(Controller):
    """Watches over the nodes' heartbeats, and keeps conditions and taints in step."""

    name = "nodelifecycle"
    account = "node-controller"
    component = "node-controller"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = self.watch_keys(NODES)
        self.pods = context.indexed(PODS, NODE_INDEX, node_keys)
        self.watch(PODS)
        self._health: dict[str, Health] = {}
        self._last_pass: float | None = None
        self._next_taint: dict[str, float] = {}  # zone -> when the next node may be given a NoExecute taint
        self._all_disrupted = False

    def loops(self) -> Iterable[Coroutine[Any, Any, None]]:
        """The look at all heartbeats."""
        return (every(self.context.options.node_monitor_period, self.monitor, "node monitor"),)

    # -- NoSchedule taints: from conditions, at once

    async def reconcile(self, key: str) -> None:
        """Bring one node's NoSchedule taints in step with its conditions."""
        node = self.nodes.get(key)
        if node is None:
            return
        wanted = wanted_no_schedule(node)
        current = node["spec"].get("taints") or []
        have = {t["key"] for t in current if t["effect"] == "NoSchedule" and t["key"] in _OWN_NO_SCHEDULE}
        if have == wanted:
            return
        stamp = clock.format_time(clock.seconds())
        kept = [t for t in current if not (t["effect"] == "NoSchedule" and t["key"] in have - wanted)]
        added = [{"key": k, "effect": "NoSchedule", "timeAdded": stamp} for k in sorted(wanted - have)]
        await self._write_taints(node, kept + added)

    async def _write_taints(self, node: Object, wanted: list[Object]) -> None:
        metadata = node["metadata"]
        # With the resourceVersion: taints of others that came meanwhile must not be lost.
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "spec": {"taints": wanted or None}}
        await self.client.patch(NODES, metadata["name"], None, patch, patch_type="merge")

    # -- heartbeats

    async def monitor(self) -> None:
        """One pass over all nodes."""
        started = clock.steady()
        try:
            answer = await self.context.client.list(LEASES, "kube-node-lease")
        except ApiError as error:
            log.warning("the API server does not answer (%s): nodes are not judged", error)
            return
        except (aiohttp.ClientError, OSError) as error:
            log.warning("the API server cannot be reached (%s): nodes are not judged", error)
            return
        leases = {lease["metadata"]["name"]: lease for lease in answer.get("items") or ()}
        period = self.context.options.node_monitor_period
        blind = started - self._last_pass - 2 * period if self._last_pass is not None else 0.0
        self._last_pass = clock.steady()
        nodes = self.nodes.list()
        for gone in self._health.keys() - {node["metadata"]["name"] for node in nodes}:
            del self._health[gone]
        for health in self._health.values():
            health.changed += max(0.0, blind)
        judged = []
        for node in nodes:
            try:
                judged.append(await self._judge(node, leases.get(node["metadata"]["name"])))
            except ApiError as error:
                if not is_not_found(error):
                    log.warning("node %s: %s", node["metadata"]["name"], error)
                judged.append(node)
        await self._drive_away(judged)

    async def _judge(self, node: Object, lease: Object | None) -> Object:
        """The node as it is after noting silence, if it was silent for too long."""
        name, now = node["metadata"]["name"], clock.steady()
        ready = pod_state.condition(node, "Ready") or {}
        seen = (
            node["metadata"]["uid"],
            ready.get("lastHeartbeatTime"),
            ready.get("status") if ready.get("status") != "Unknown" else None,
            ((lease or {}).get("spec") or {}).get("renewTime"),
        )
        health = self._health.get(name)
        if health is None or health.seen != seen:
            health = self._health[name] = Health(seen, now)
        options = self.context.options
        grace = options.node_monitor_grace_period if ready else options.node_startup_grace_period
        if now - health.changed <= grace:
            return node
        silent = self._silenced(node)
        if silent is None:
            return node
        updated: Object = await self.client.update(NODES, silent, subresource="status")
        # Our own write is no heartbeat.
        health.seen = (seen[0], (pod_state.condition(updated, "Ready") or {}).get("lastHeartbeatTime"), None, seen[3])
        self.recorder.event(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        await self._mark_pods(name)
        return updated

    @staticmethod
    def _silenced(node: Object) -> Object | None:
        """The node with its conditions Unknown, or None if they are already."""
        stamp = clock.now()
        old = {c["type"]: c for c in (node.get("status") or {}).get("conditions") or ()}
        new, changed = dict(old), False
        for kind in CONDITIONS:
            entry = old.get(kind)
            if entry is None:
                new[kind] = {
                    "type": kind,
                    "status": "Unknown",
                    "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.",
                    "lastHeartbeatTime": node["metadata"].get("creationTimestamp") or stamp,
                    "lastTransitionTime": stamp,
                }
                changed = True
            elif entry["status"] != "Unknown":
                new[kind] = {
                    **entry,
                    "status": "Unknown",
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                    "lastTransitionTime": stamp,
                }
                changed = True
        if not changed:
            return None
        return {**node, "status": {**(node.get("status") or {}), "conditions": list(new.values())}}

    async def _mark_pods(self, node_name: str) -> None:
        """Pods of a silent node count as not ready, so that Services send nothing there."""
        stamp = clock.format_time(clock.seconds())

        async def mark(pod: Object) -> None:
            patch = {
                "metadata": {"uid": pod["metadata"]["uid"]},
                "status": {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": stamp}]},
            }
            try:
                await self.client.patch(
                    PODS,
                    pod["metadata"]["name"],
                    pod["metadata"]["namespace"],
                    patch,
                    patch_type="strategic",
                    subresource="status",
                )
            except ApiError as error:
                if not is_not_found(error):
                    log.warning("pod %s: %s", pod["metadata"]["name"], error)

        await asyncio.gather(*(mark(p) for p in self.pods.by_index(NODE_INDEX, node_name) if pod_state.is_ready(p)))

    # -- NoExecute taints: with restraint

    async def _drive_away(self, nodes: list[Object]) -> None:
        zones: dict[str, list[Object]] = {}
        for node in nodes:
            zones.setdefault(zone_of(node), []).append(node)
        rates = {zone: self._rate(members) for zone, members in zones.items()}
        everything_down = bool(zones) and all(
            all(ready_status(node) != "True" for node in members) for members in zones.values()
        )
        if everything_down != self._all_disrupted:
            self._all_disrupted = everything_down
            log.warning(
                "no node is ready: pods stay where they are"
                if everything_down
                else "nodes are ready again: the others get their grace period anew"
            )
            now = clock.steady()
            for health in self._health.values():
                health.changed = now
            for zone in zones:
                # Who is silent after such an outage gets a full grace period before pods go.
                grace = self.context.options.node_monitor_grace_period
                self._next_taint[zone] = now + (0.0 if everything_down else grace)
        for zone, members in zones.items():
            for node in members:
                rate = 0.0 if everything_down else rates[zone]
                try:
                    try:
                        await self._taint(node, rate, zone, everything_down)
                    except ApiError as error:
                        if not is_conflict(error):
                            raise
                        # The NoSchedule taint was written meanwhile: five seconds more would be five seconds lost.
                        fresh = await self.client.get(NODES, node["metadata"]["name"])
                        await self._taint(fresh, rate, zone, everything_down)
                except ApiError as error:
                    log.debug("node %s: %s", node["metadata"]["name"], error)  # the next pass tries again

    def _rate(self, members: list[Object]) -> float:
        """Nodes a second that may get NoExecute taints in a zone."""
        options = self.context.options
        down = sum(ready_status(node) != "True" for node in members)
        partly = down > 2 and down / len(members) >= options.unhealthy_zone_threshold
        if partly and down < len(members):
            big = len(members) > options.large_cluster_size_threshold
            return options.secondary_node_eviction_rate if big else 0.0
        return options.node_eviction_rate

    async def _taint(self, node: Object, rate: float, zone: str, everything_down: bool) -> None:
        status = ready_status(node)
        wanted = {"False": taints.NOT_READY, "Unknown": taints.UNREACHABLE}.get(status)
        if everything_down:
            wanted = None
        current = node["spec"].get("taints") or []
        have = {t["key"] for t in current if t["effect"] == "NoExecute" and t["key"] in _OWN_NO_EXECUTE}
        if have == ({wanted} if wanted else set()):
            return
        now = clock.steady()
        if wanted and not have and (rate <= 0 or now < self._next_taint.get(zone, 0.0)):
            return
        kept = [t for t in current if not (t["effect"] == "NoExecute" and t["key"] in _OWN_NO_EXECUTE)]
        if wanted:
            kept.append({"key": wanted, "effect": "NoExecute", "timeAdded": clock.now()})
        await self._write_taints(node, kept)
        if wanted and not have:
            self._next_taint[zone] = now + 1 / rate
