"""StatefulSets: pods with names and volumes of their own, made, replaced and removed in order."""

from __future__ import annotations

import copy
import re
from typing import Any

from kprov.kube.api import clock, selectors
from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import ORPHANS, OWNER_INDEX, Context, Controller
from kprov.kube.controllers.ownership import Claims, controller_of
from kprov.kube.controllers.pod_control import PodControl, namespace_is_terminating, pod_from_template
from kprov.kube.controllers.revisions import HASH_LABEL, History

Object = dict[str, Any]
POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


def ordinal_of(pod: Object, owner_name: str) -> int:
    """The number in the pod's name; -1 if the name is not one of the set's."""
    match = re.fullmatch(re.escape(owner_name) + r"-(\d+)", pod["metadata"]["name"])
    return int(match[1]) if match else -1


def revision_label(pod: Object) -> str:
    """The revision that the pod was made from, by name."""
    return str((pod["metadata"].get("labels") or {}).get(HASH_LABEL, ""))


def pod_of(owner: Object, ordinal: int, revision: Object) -> Object:
    """The pod of an ordinal, from the template of a revision."""
    name = f"{owner['metadata']['name']}-{ordinal}"
    template = copy.deepcopy(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    pod = pod_from_template(template, owner, STATEFUL_SETS, name=name)
    pod["metadata"]["labels"] |= {
        POD_NAME: name,
        POD_INDEX: str(ordinal),
        HASH_LABEL: revision["metadata"]["name"],
    }
    spec = pod["spec"]
    spec["hostname"] = name
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    volumes = [
        {"name": c["metadata"]["name"], "persistentVolumeClaim": {"claimName": f"{c['metadata']['name']}-{name}"}}
        for c in owner["spec"].get("volumeClaimTemplates") or ()
    ]
    if volumes:
        own = {volume["name"] for volume in volumes}
        spec["volumes"] = volumes + [v for v in spec.get("volumes") or () if v["name"] not in own]
    return pod


class StatefulSetController(Controller):
    """Keeps each StatefulSet's pods, one step at a time unless told to work in parallel."""

    name = "statefulset"
    account = "statefulset-controller"
    component = "statefulset-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pod_control = PodControl(self.client, self.recorder)
        self.sets = self.watch_keys(STATEFUL_SETS)
        self.revisions = self.watch(CONTROLLER_REVISIONS, owned=True)
        self.pods = self.watch(
            PODS,
            owned=True,
            on_add=self._pod_changed,
            on_update=self._pod_updated,
            on_delete=self._pod_changed,
        )
        self.history = History(self.client, self.revisions, STATEFUL_SETS)

    def _pod_updated(self, old: Object, new: Object) -> None:
        self._pod_changed(old)  # its owner may have been another
        self._pod_changed(new)

    def _pod_changed(self, pod: Object) -> None:
        reference = controller_of(pod)
        if reference is not None:
            if reference["kind"] == STATEFUL_SETS.kind:
                self.queue.add(f"{pod['metadata']['namespace']}/{reference['name']}")
            return
        labels = pod["metadata"].get("labels") or {}
        for owner in self.sets.list(pod["metadata"]["namespace"]):
            if labels and selectors.matches(selectors.from_label_selector(owner["spec"]["selector"]), labels):
                self.enqueue(owner)

    async def reconcile(self, key: str) -> None:
        """Bring one set one step further, and report."""
        owner = self.sets.get(key)
        if owner is None or owner["metadata"].get("deletionTimestamp"):
            return
        name = owner["metadata"]["name"]
        selector = selectors.from_label_selector(owner["spec"]["selector"])
        pods = await Claims(self.client, PODS, owner, STATEFUL_SETS).claim(
            self.pods.by_index(OWNER_INDEX, owner["metadata"]["uid"]),
            self.pods.by_index(OWNER_INDEX, ORPHANS + owner["metadata"]["namespace"]),
            lambda pod: selectors.matches(selector, pod["metadata"].get("labels") or {}) and ordinal_of(pod, name) >= 0,
        )
        history = await self.history.claim(owner)
        status = owner.get("status") or {}
        update = await self.history.current(owner, history, status.get("collisionCount") or 0)
        current = next((r for r in history if r["metadata"]["name"] == status.get("currentRevision")), update)
        try:
            await self._step(owner, pods, current, update)
        finally:
            await self._report(owner, pods, current, update)
        in_use = {revision_label(pod) for pod in pods} | {r["metadata"]["name"] for r in (current, update)}
        hashes = {str(r["metadata"]["labels"].get(HASH_LABEL)) for r in history if r["metadata"]["name"] in in_use}
        hashes |= {str(r["metadata"]["labels"].get(HASH_LABEL)) for r in (current, update)}
        await self.history.trim(owner, history, hashes)

    async def _step(self, owner: Object, pods: list[Object], current: Object, update: Object) -> None:
        spec, name = owner["spec"], owner["metadata"]["name"]
        start = (spec.get("ordinals") or {}).get("start", 0)
        wanted = range(start, start + spec.get("replicas", 1))
        by_ordinal = {ordinal_of(pod, name): pod for pod in pods}
        parallel = spec.get("podManagementPolicy") == "Parallel"
        strategy = spec.get("updateStrategy") or {}
        on_delete = strategy.get("type") == "OnDelete"
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        wait = spec.get("minReadySeconds") or 0
        for ordinal in wanted:
            pod = by_ordinal.get(ordinal)
            if pod is not None and pod_state.is_finished(pod) and not pod["metadata"].get("deletionTimestamp"):
                message = f"StatefulSet {key_of(owner)} is recreating failed Pod {pod['metadata']['name']}"
                self.recorder.event(owner, "Warning", "RecreatingFailedPod", message)
                await self._delete(pod, owner)
                if not parallel:
                    return
                continue
            if pod is None:
                # Below the partition the former revision counts, also for a pod that was lost.
                old = ordinal < start + partition and not on_delete
                await self._create(owner, ordinal, current if old else update)
                if not parallel:
                    return
                continue
            if not parallel and (
                pod["metadata"].get("deletionTimestamp") or not pod_state.is_available(pod, wait, clock.seconds())
            ):
                self._wake_when_available(owner, pod, wait)
                return
        surplus = sorted((o for o in by_ordinal if o not in wanted), reverse=True)
        for ordinal in surplus:
            pod = by_ordinal[ordinal]
            if not pod["metadata"].get("deletionTimestamp"):
                await self._delete(pod, owner)
            if not parallel:
                return
        if on_delete:
            return
        for ordinal in reversed(wanted):
            if ordinal < start + partition:
                return
            pod = by_ordinal.get(ordinal)
            if pod is None:
                return
            leaving = pod["metadata"].get("deletionTimestamp")
            if revision_label(pod) != update["metadata"]["name"] and not leaving:
                await self._delete(pod, owner)
                return
            if leaving or not pod_state.is_available(pod, wait, clock.seconds()):
                self._wake_when_available(owner, pod, wait)
                return

    def _wake_when_available(self, owner: Object, pod: Object, wait: int) -> None:
        since = pod_state.ready_since(pod)
        if wait and since is not None:
            self.queue.add_after(key_of(owner), max(0.1, since + wait - clock.seconds()))

    async def _create(self, owner: Object, ordinal: int, revision: Object) -> None:
        pod = pod_of(owner, ordinal, revision)
        for template in owner["spec"].get("volumeClaimTemplates") or ():
            claim = copy.deepcopy(template)
            claim.pop("status", None)
            labels = (owner["spec"]["selector"].get("matchLabels") or {}) | (template["metadata"].get("labels") or {})
            claim["metadata"] = {
                **template["metadata"],
                "name": f"{template['metadata']['name']}-{pod['metadata']['name']}",
                "namespace": owner["metadata"]["namespace"],
                "labels": labels,
            }
            claim["metadata"].pop("creationTimestamp", None)
            try:
                await self.client.create(PERSISTENT_VOLUME_CLAIMS, claim, owner["metadata"]["namespace"])
            except ApiError as error:
                if not is_already_exists(error):
                    raise
        try:
            await self.pod_control.create(pod, owner)
        except ApiError as error:
            # It is there and the cache is behind; or it is another's, and then the name must become free first.
            if not namespace_is_terminating(error):
                raise

    async def _delete(self, pod: Object, owner: Object) -> None:
        try:
            await self.pod_control.delete(pod, owner)
        except ApiError as error:
            if not is_not_found(error):
                raise

    async def _report(self, owner: Object, pods: list[Object], current: Object, update: Object) -> None:
        old = owner.get("status") or {}
        wait, now = owner["spec"].get("minReadySeconds") or 0, clock.seconds()
        live = [pod for pod in pods if not pod_state.is_finished(pod)]
        of_update = [p for p in live if revision_label(p) == update["metadata"]["name"]]
        of_current = [p for p in live if revision_label(p) == current["metadata"]["name"]]
        status: Object = {
            "observedGeneration": owner["metadata"].get("generation", 0),
            "replicas": len(live),
            "availableReplicas": sum(pod_state.is_available(p, wait, now) for p in live),
            "currentRevision": current["metadata"]["name"],
            "updateRevision": update["metadata"]["name"],
            "collisionCount": old.get("collisionCount") or 0,
        }
        counts = {
            "readyReplicas": sum(map(pod_state.is_ready, live)),
            "currentReplicas": len([p for p in of_current if not p["metadata"].get("deletionTimestamp")]),
            "updatedReplicas": len([p for p in of_update if not p["metadata"].get("deletionTimestamp")]),
        }
        status |= {name: count for name, count in counts.items() if count}
        wanted = owner["spec"].get("replicas", 1)
        rolls = (owner["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
        if rolls and status.get("updatedReplicas", 0) == wanted and status.get("readyReplicas", 0) == wanted:
            status["currentRevision"] = status["updateRevision"]
            if wanted:
                status["currentReplicas"] = status["updatedReplicas"]
        if old.get("conditions"):
            status["conditions"] = old["conditions"]
        if old != status:
            await self.client.update(STATEFUL_SETS, {**owner, "status": status}, subresource="status")
