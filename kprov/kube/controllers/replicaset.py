"""ReplicaSets and ReplicationControllers: as many pods as the number says.

Both kinds behave the same; they differ in the form of their selector.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from kprov.kube.api import clock, selectors
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, Resource
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.controller import ORPHANS, OWNER_INDEX, Context, Controller
from kprov.kube.controllers.expectations import Expectations
from kprov.kube.controllers.ownership import Claims, controller_of
from kprov.kube.controllers.pod_control import PodControl, namespace_is_terminating, pod_from_template

Object = dict[str, Any]
BURST = 500  # how many pods one sync creates or deletes at most


async def slow_start(count: int, create: Callable[[], Awaitable[Any]]) -> tuple[int, Exception | None]:
    """Call ``create`` ``count`` times in batches of 1, 2, 4, ...; stop after a batch that had an error.

    A quota that refuses every pod then costs one refused call a sync and not hundreds.

    Returns the successes and the first error.
    """
    done, size = 0, 1
    while done < count:
        batch = min(size, count - done)
        results = await asyncio.gather(*(create() for _ in range(batch)), return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        done += batch - len(errors)
        if errors:
            first = errors[0]
            if not isinstance(first, Exception):
                raise first
            return done, first
        size *= 2
    return done, None


class ReplicaSetController(Controller):
    """Keeps ``spec.replicas`` active pods for each ReplicaSet."""

    name = "replicaset"
    account = "replicaset-controller"
    component = "replicaset-controller"
    resource: ClassVar[Resource] = REPLICA_SETS

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.expectations = Expectations()
        self.pod_control = PodControl(self.client, self.recorder)
        self.sets = self.watch(
            self.resource,
            owned=True,
            on_add=self.enqueue,
            on_update=lambda _, new: self.enqueue(new),
            on_delete=self.enqueue,
        )
        self.pods = self.watch(
            PODS, owned=True, on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted
        )

    # -- the two kinds' difference

    def selector(self, owner: Object) -> Any:
        """The parsed selector of an owner."""
        return selectors.from_label_selector(owner["spec"].get("selector") or {})

    # -- events

    def _owner(self, pod: Object) -> Object | None:
        reference = controller_of(pod)
        if reference is None or reference["kind"] != self.resource.kind:
            return None
        owner = self.sets.get(f"{pod['metadata']['namespace']}/{reference['name']}")
        return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def _wake_adopters(self, pod: Object) -> None:
        labels = pod["metadata"].get("labels") or {}
        if not labels:
            return
        for owner in self.sets.list(pod["metadata"]["namespace"]):
            if selectors.matches(self.selector(owner), labels):
                self.enqueue(owner)

    def _pod_added(self, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self._pod_deleted(pod)
        elif (owner := self._owner(pod)) is not None:
            self.expectations.created(key_of(owner))
            self.enqueue(owner)
        elif controller_of(pod) is None:
            self._wake_adopters(pod)

    def _pod_updated(self, old: Object, new: Object) -> None:
        if new["metadata"].get("deletionTimestamp") and not old["metadata"].get("deletionTimestamp"):
            self._pod_deleted(new)
            return
        before, owner = self._owner(old), self._owner(new)
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
            self._wake_adopters(new)

    def _pod_deleted(self, pod: Object) -> None:
        if (owner := self._owner(pod)) is not None:
            self.expectations.deleted(key_of(owner), key_of(pod))
            self.enqueue(owner)

    # -- reconciling

    async def reconcile(self, key: str) -> None:
        """Create or delete pods until their number is right, then report the status."""
        owner = self.sets.get(key)
        if owner is None:
            self.expectations.forget(key)
            return
        believable = self.expectations.satisfied(key)
        pods = await self._claim(owner)
        error: Exception | None = None
        if believable and not owner["metadata"].get("deletionTimestamp"):
            error = await self._scale(key, owner, [pod for pod in pods if pod_state.is_active(pod)])
        await self._report(owner, pods, error)
        if error is not None:
            raise error

    async def _claim(self, owner: Object) -> list[Object]:
        selector = self.selector(owner)
        namespace = owner["metadata"]["namespace"]
        return await Claims(self.client, PODS, owner, self.resource).claim(
            self.pods.by_index(OWNER_INDEX, owner["metadata"]["uid"]),
            (pod for pod in self.pods.by_index(OWNER_INDEX, ORPHANS + namespace) if pod_state.is_active(pod)),
            lambda pod: selectors.matches(selector, pod["metadata"].get("labels") or {}),
        )

    async def _scale(self, key: str, owner: Object, active: list[Object]) -> Exception | None:
        missing = owner["spec"].get("replicas", 1) - len(active)
        if missing > 0:
            missing = min(missing, BURST)
            self.expectations.expect(key, creations=missing)

            async def create() -> None:
                await self.pod_control.create(pod_from_template(owner["spec"]["template"], owner, self.resource), owner)

            done, error = await slow_start(missing, create)
            for _ in range(missing - done):
                self.expectations.created(key)
            if isinstance(error, ApiError) and namespace_is_terminating(error):
                return None
            return error
        if missing < 0:
            victims = self._victims(owner, active)[: min(-missing, BURST)]
            self.expectations.expect(key, deletions={key_of(pod) for pod in victims})
            results = await asyncio.gather(*(self._delete(key, pod, owner) for pod in victims))
            return next((error for error in results if error is not None), None)
        return None

    async def _delete(self, key: str, pod: Object, owner: Object) -> Exception | None:
        try:
            await self.pod_control.delete(pod, owner)
        except ApiError as error:
            self.expectations.deleted(key, key_of(pod))
            return None if is_not_found(error) else error
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
            for sibling in self.sets.by_index(OWNER_INDEX, controller["uid"])
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
