"""ReplicaSets and ReplicationControllers: as many pods as the number says.

Both kinds behave the same; they differ in the form of their selector.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from kprov.kube.api import clock, selectors
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import REPLICA_SETS, REPLICATION_CONTROLLERS, Resource
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import OWNER_INDEX, Context
from kprov.kube.controllers.ownership import controller_of
from kprov.kube.controllers.pod_control import pod_from_template
from kprov.kube.controllers.pod_owner import BURST, PodOwner

Object = dict[str, Any]


class ReplicaSetController(PodOwner):
    """Keeps ``spec.replicas`` active pods for each ReplicaSet."""

    name = "replicaset"
    account = "replicaset-controller"
    component = "replicaset-controller"
    resource: ClassVar[Resource] = REPLICA_SETS

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.watch(self.resource, owned=True)  # the index that finds the sets of one Deployment

    def may_adopt(self, pod: Object) -> bool:
        """Only pods that still count."""
        return pod_state.is_active(pod)

    def pod_changed(self, old: Object, new: Object) -> None:
        """Queue whom a change concerns, and again when a pod that became ready has been so for long enough."""
        before, owner = self.owner_of(old), self.owner_of(new)
        if before is not None and before is not owner:
            self.enqueue(before)
        if owner is not None:
            self.enqueue(owner)
            wait = owner["spec"].get("minReadySeconds") or 0
            if wait and pod_state.is_ready(new) and not pod_state.is_ready(old):
                self.queue.add_after(key_of(owner), wait + 1)
        elif controller_of(new) is None and (
            controller_of(old) is not None or old["metadata"].get("labels") != new["metadata"].get("labels")
        ):
            self.wake_adopters(new)

    # -- reconciling

    async def reconcile(self, key: str) -> None:
        """Create or delete pods until their number is right, then report the status."""
        owner = self.owners.get(key)
        if owner is None:
            self.expectations.forget(key)
            return
        believable = self.expectations.satisfied(key)
        pods = await self.claim(owner)
        error: Exception | None = None
        if believable and not owner["metadata"].get("deletionTimestamp"):
            error = await self._scale(key, owner, [pod for pod in pods if pod_state.is_active(pod)])
        await self._report(owner, pods, error)
        if error is not None:
            raise error

    async def _scale(self, key: str, owner: Object, active: list[Object]) -> Exception | None:
        missing = owner["spec"].get("replicas", 1) - len(active)
        if missing > 0:
            missing = min(missing, BURST)
            self.expectations.expect(key, creations=missing)

            async def create() -> None:
                await self.pod_control.create(pod_from_template(owner["spec"]["template"], owner, self.resource), owner)

            _, error = await self.create_pods(key, missing, create)
            return error
        if missing < 0:
            victims = self._victims(owner, active)[: min(-missing, BURST)]
            self.expectations.expect(key, deletions={key_of(pod) for pod in victims})
            return await self.delete_pods(key, owner, victims)
        return None

    def _victims(self, owner: Object, active: list[Object]) -> list[Object]:
        """The active pods, those to give up first in front."""
        neighbours = Counter(
            pod["spec"].get("nodeName") for pod in self._related(owner, active) if pod_state.is_active(pod)
        )
        return sorted(active, key=lambda pod: pod_state.deletion_rank(pod, neighbours[pod["spec"].get("nodeName")]))

    def _related(self, owner: Object, own: list[Object]) -> list[Object]:
        """The pods of all sets that share this set's controller: a Deployment spreads over its ReplicaSets."""
        controller = controller_of(owner)
        if controller is None:
            return own
        return [
            pod
            for sibling in self.owners.by_index(OWNER_INDEX, controller["uid"])
            for pod in self.pods.by_index(OWNER_INDEX, sibling["metadata"]["uid"])
        ]

    # -- status

    def status_of(self, owner: Object, pods: list[Object], error: Exception | None, now: float) -> Object:
        """The status that these pods make."""
        active = [pod for pod in pods if pod_state.is_active(pod)]
        wait = owner["spec"].get("minReadySeconds") or 0
        template_labels = ((owner["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
        status: Object = {"replicas": len(active)}
        counts = {
            "fullyLabeledReplicas": sum(
                template_labels.items() <= (pod["metadata"].get("labels") or {}).items() for pod in active
            ),
            "readyReplicas": sum(map(pod_state.is_ready, active)),
            "availableReplicas": sum(pod_state.is_available(pod, wait, now) for pod in active),
        }
        status |= {name: count for name, count in counts.items() if count}
        old = owner.get("status") or {}
        conditions = [c for c in old.get("conditions") or () if c["type"] != "ReplicaFailure"]
        if error is not None:
            failing = pod_state.condition(owner, "ReplicaFailure")
            wanted = owner["spec"].get("replicas", 1)
            conditions.append(
                failing
                or {
                    "type": "ReplicaFailure",
                    "status": "True",
                    "reason": "FailedCreate" if len(active) < wanted else "FailedDelete",
                    "message": getattr(error, "message", str(error)),
                    "lastTransitionTime": clock.format_time(now),
                }
            )
        if conditions:
            status["conditions"] = conditions
        status["observedGeneration"] = owner["metadata"].get("generation", 0)
        return status

    async def _report(self, owner: Object, pods: list[Object], error: Exception | None) -> None:
        now = clock.seconds()
        status = self.status_of(owner, pods, error, now)
        old = owner.get("status") or {}
        if {"observedGeneration": 0, **old} != status:
            await self.client.update(self.resource, {**owner, "status": status}, subresource="status")
        wait = owner["spec"].get("minReadySeconds") or 0
        if wait and status.get("readyReplicas", 0) != status.get("availableReplicas", 0):
            since = [s for pod in pods if pod_state.is_active(pod) and (s := pod_state.ready_since(pod)) is not None]
            waits = [s + wait - now for s in since if s + wait > now]
            self.queue.add_after(key_of(owner), min(waits, default=wait) + 0.1)


class ReplicationController(ReplicaSetController):
    """The same, for the older kind."""

    name = "replicationcontroller"
    account = "replication-controller"
    component = "replication-controller"
    resource = REPLICATION_CONTROLLERS

    def selector(self, owner: Object) -> Any:
        """The parsed selector: here a plain map."""
        return selectors.from_label_selector({"matchLabels": owner["spec"].get("selector") or {}})
