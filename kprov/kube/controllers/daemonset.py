"""DaemonSets: one pod on every node that fits, replaced node by node when the template changes."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import CONTROLLER_REVISIONS, DAEMON_SETS, NODES
from kprov.kube.api.node_affinity import wants_node
from kprov.kube.api.tolerations import first_untolerated
from kprov.kube.controllers import pod_state, taints
from kprov.kube.controllers.controller import Context
from kprov.kube.controllers.deployment.numbers import scaled
from kprov.kube.controllers.pod_control import pod_from_template
from kprov.kube.controllers.pod_owner import BURST, PodOwner
from kprov.kube.controllers.revisions import HASH_LABEL, History, hash_of

Object = dict[str, Any]

_TOLERATED = (
    (taints.NOT_READY, "NoExecute"),
    (taints.UNREACHABLE, "NoExecute"),
    (taints.DISK_PRESSURE, "NoSchedule"),
    (taints.MEMORY_PRESSURE, "NoSchedule"),
    (taints.PID_PRESSURE, "NoSchedule"),
    (taints.UNSCHEDULABLE, "NoSchedule"),
)


def daemon_tolerations(pod_spec: Object) -> list[Object]:
    """The template's tolerations and those that every daemon pod gets."""
    own = list(pod_spec.get("tolerations") or ())
    rows = list(_TOLERATED)
    if pod_spec.get("hostNetwork"):
        rows.append((taints.NETWORK_UNAVAILABLE, "NoSchedule"))
    added = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in rows]
    return own + [toleration for toleration in added if toleration not in own]


def pinned_to(pod_spec: Object, node_name: str) -> Object:
    """The spec with a node affinity that only this node satisfies: the scheduler then binds it there."""
    affinity = dict(pod_spec.get("affinity") or {})
    node = dict(affinity.get("nodeAffinity") or {})
    field = {"key": "metadata.name", "operator": "In", "values": [node_name]}
    node["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity["nodeAffinity"] = node
    return {**pod_spec, "affinity": affinity, "tolerations": daemon_tolerations(pod_spec)}


def node_of(pod: Object) -> str:
    """The node that a daemon pod is bound to, or meant for."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and len(field.get("values") or ()) == 1:
                return str(field["values"][0])
    return ""


def placement(daemon_set: Object, node: Object) -> tuple[bool, bool]:
    """(whether a pod should be started on the node, whether one that runs there may stay)."""
    spec = daemon_set["spec"]["template"].get("spec") or {}
    if spec.get("nodeName") and spec["nodeName"] != node["metadata"]["name"]:
        return False, False
    if not wants_node(spec, node):
        return False, False
    tolerations, found = daemon_tolerations(spec), node["spec"].get("taints") or []
    stays = first_untolerated(found, tolerations, ("NoExecute",)) is None
    return stays and first_untolerated(found, tolerations) is None, stays


class DaemonSetController(PodOwner):
    """Keeps each DaemonSet's pods and the nodes in step."""

    name = "daemonset"
    account = "daemon-set-controller"
    component = "daemonset-controller"
    workers = 2
    resource = DAEMON_SETS

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.revisions = self.watch(CONTROLLER_REVISIONS, owned=True)
        self.nodes = self.watch(NODES, on_add=self._wake_all, on_update=self._node_updated, on_delete=self._wake_all)
        self.history = History(self.client, self.revisions, DAEMON_SETS)

    # -- events

    def _wake_all(self, _: Object) -> None:
        for daemon_set in self.owners.list():
            self.enqueue(daemon_set)

    def _node_updated(self, old: Object, new: Object) -> None:
        def relevant(node: Object) -> Any:
            return node["metadata"].get("labels"), node["spec"].get("taints"), node["spec"].get("unschedulable")

        if relevant(old) != relevant(new):
            self._wake_all(new)

    # -- reconciling

    async def reconcile(self, key: str) -> None:
        """Start and stop pods node by node, then report."""
        daemon_set = self.owners.get(key)
        if daemon_set is None:
            self.expectations.forget(key)
            return
        selector = daemon_set["spec"].get("selector") or {}
        if not selector or daemon_set["metadata"].get("deletionTimestamp"):
            return
        revisions = await self.history.claim(daemon_set)
        current = await self.history.current(daemon_set, revisions)
        digest = hash_of(current)
        pods = await self.claim(daemon_set)
        if self.expectations.satisfied(key):
            await self._place(key, daemon_set, pods, digest)
            strategy = (daemon_set["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate")
            if strategy == "RollingUpdate" and self.expectations.satisfied(key):
                await self._roll(key, daemon_set, pods, digest)
        in_use = {(pod["metadata"].get("labels") or {}).get(HASH_LABEL, "") for pod in pods} | {digest}
        await self.history.trim(daemon_set, revisions, in_use)
        await self._report(daemon_set, pods, digest)

    @staticmethod
    def _by_node(pods: list[Object]) -> dict[str, list[Object]]:
        result: dict[str, list[Object]] = {}
        for pod in pods:
            result.setdefault(node_of(pod), []).append(pod)
        return result

    async def _place(self, key: str, daemon_set: Object, pods: list[Object], digest: str) -> None:
        by_node = self._by_node(pods)
        missing: list[str] = []
        surplus: list[Object] = []
        for node in self.nodes.list():
            name = node["metadata"]["name"]
            start, stay = placement(daemon_set, node)
            residents = by_node.pop(name, [])
            if start and not residents:
                missing.append(name)
            elif stay and residents:
                live = [pod for pod in residents if not pod["metadata"].get("deletionTimestamp")]
                for pod in live:
                    if pod_state.phase(pod) == "Failed":
                        self.recorder.event(
                            daemon_set,
                            "Warning",
                            "FailedDaemonPod",
                            f"Found failed daemon pod {key_of(pod)} on node {name}, will try to kill it",
                        )
                        surplus.append(pod)
                live = [pod for pod in live if pod_state.phase(pod) != "Failed"]
                live.sort(key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))
                surplus += self._beyond_one(live, daemon_set, digest)
            elif not stay:
                surplus += [pod for pod in residents if not pod["metadata"].get("deletionTimestamp")]
        # What is left was meant for nodes that are gone; only pods that no node ever ran are ours to delete.
        for residents in by_node.values():
            surplus += [
                pod
                for pod in residents
                if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp")
            ]
        await self._write(key, daemon_set, missing[:BURST], surplus[:BURST], digest)

    @staticmethod
    def _beyond_one(live: list[Object], daemon_set: Object, digest: str) -> list[Object]:
        """All but one pod of a node, oldest first; during a surge, all but the newest old and the newest new."""
        rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        if rolling.get("maxSurge") in (None, 0, "0", "0%"):
            return live[1:]
        new = [pod for pod in live if (pod["metadata"].get("labels") or {}).get(HASH_LABEL) == digest]
        old = [pod for pod in live if pod not in new]
        wait = daemon_set["spec"].get("minReadySeconds") or 0
        if any(pod_state.is_available(pod, wait, clock.seconds()) for pod in new):
            return old + new[1:]
        return old[1:] + new[1:]

    async def _write(self, key: str, daemon_set: Object, nodes: list[str], surplus: list[Object], digest: str) -> None:
        if not nodes and not surplus:
            return
        self.expectations.expect(key, creations=len(nodes), deletions={key_of(pod) for pod in surplus})
        waiting = list(nodes)

        async def create() -> None:
            name = waiting.pop()
            pod = pod_from_template(daemon_set["spec"]["template"], daemon_set, DAEMON_SETS)
            pod["metadata"]["labels"][HASH_LABEL] = digest
            generation = daemon_set["metadata"].get("generation")
            if generation is not None:
                pod["metadata"]["labels"]["pod-template-generation"] = str(generation)
            pod["spec"] = pinned_to(pod["spec"], name)
            await self.pod_control.create(pod, daemon_set)

        _, error = await self.create_pods(key, len(nodes), create)
        for failure in (error, await self.delete_pods(key, daemon_set, surplus)):
            if failure is not None:
                raise failure

    async def _roll(self, key: str, daemon_set: Object, pods: list[Object], digest: str) -> None:
        """Give up old pods, as many as may be unavailable; the next sync starts new ones in their place."""
        rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        wanted = [node for node in self.nodes.list() if placement(daemon_set, node)[0]]
        surge = scaled(rolling.get("maxSurge", 0), len(wanted), round_up=True)
        budget = scaled(rolling.get("maxUnavailable", 1), len(wanted), round_up=True)
        if surge == 0 and budget == 0:
            budget = 1
        wait, now = daemon_set["spec"].get("minReadySeconds") or 0, clock.seconds()
        by_node = self._by_node(pods)
        unavailable = 0
        sick: list[Object] = []
        well: list[Object] = []
        extra: list[str] = []
        for node in wanted:
            name = node["metadata"]["name"]
            live = [pod for pod in by_node.get(name, ()) if not pod["metadata"].get("deletionTimestamp")]
            old = [pod for pod in live if (pod["metadata"].get("labels") or {}).get(HASH_LABEL) != digest]
            available = any(pod_state.is_available(pod, wait, now) for pod in live)
            if surge:
                if old and len(old) == len(live):
                    (extra.insert(0, name) if not available else extra.append(name))
                continue
            if not available:
                unavailable += 1
                sick += old  # an old pod that does not work costs nothing to replace
            else:
                well += old
        if surge:
            under_way = sum(
                1
                for name in (node["metadata"]["name"] for node in wanted)
                if len({(p["metadata"].get("labels") or {}).get(HASH_LABEL) == digest for p in by_node.get(name, ())})
                > 1
            )
            await self._write(key, daemon_set, extra[: max(0, surge - under_way)], [], digest)
            return
        victims = sick + well[: max(0, budget - unavailable)]
        await self._write(key, daemon_set, [], victims, digest)

    async def _report(self, daemon_set: Object, pods: list[Object], digest: str) -> None:
        by_node = self._by_node(pods)
        wait, now = daemon_set["spec"].get("minReadySeconds") or 0, clock.seconds()
        counts = dict.fromkeys(("desired", "current", "misplaced", "ready", "available", "updated"), 0)
        for node in self.nodes.list():
            start, _ = placement(daemon_set, node)
            residents = by_node.get(node["metadata"]["name"], [])
            if not start:
                counts["misplaced"] += bool(residents)
                continue
            counts["desired"] += 1
            if residents:
                counts["current"] += 1
                residents.sort(key=lambda pod: pod["metadata"].get("creationTimestamp") or "", reverse=True)
                ready = [pod for pod in residents if pod_state.is_ready(pod)]
                counts["ready"] += bool(ready)
                counts["available"] += any(pod_state.is_available(pod, wait, now) for pod in ready)
                labels = residents[0]["metadata"].get("labels") or {}
                counts["updated"] += labels.get(HASH_LABEL) == digest
        status: Object = {
            "currentNumberScheduled": counts["current"],
            "numberMisscheduled": counts["misplaced"],
            "desiredNumberScheduled": counts["desired"],
            "numberReady": counts["ready"],
            "observedGeneration": daemon_set["metadata"].get("generation", 0),
        }
        optional = {
            "updatedNumberScheduled": counts["updated"],
            "numberAvailable": counts["available"],
            "numberUnavailable": counts["desired"] - counts["available"],
        }
        status |= {name: number for name, number in optional.items() if number}
        old = daemon_set.get("status") or {}
        for kept in ("collisionCount", "conditions"):
            if old.get(kept):
                status[kept] = old[kept]
        if old != status:
            await self.client.update(DAEMON_SETS, {**daemon_set, "status": status}, subresource="status")
        if wait and counts["ready"] != counts["available"]:
            self.queue.add_after(key_of(daemon_set), wait)
