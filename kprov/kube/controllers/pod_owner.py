"""What ReplicaSets, DaemonSets and Jobs have in common: they own pods, follow them, and start and stop many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar

from kprov.kube.api import selectors
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import PODS, Resource
from kprov.kube.controllers.controller import ORPHANS, OWNER_INDEX, Context, Controller
from kprov.kube.controllers.expectations import Expectations
from kprov.kube.controllers.ownership import Claims, controller_of
from kprov.kube.controllers.pod_control import PodControl, namespace_is_terminating

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


class PodOwner(Controller):
    """A controller of a kind that owns pods: a change of a pod queues its owner, or those that could adopt it.

    Subclasses set ``resource``, the kind that owns.
    """

    resource: ClassVar[Resource]

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.expectations = Expectations()
        self.pod_control = PodControl(self.client, self.recorder)
        self.owners = self.watch_keys(self.resource)
        self.pods = self.watch(
            PODS, owned=True, on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted
        )

    # -- what the kinds may differ in

    def selector(self, owner: Object) -> selectors.Selector:
        """The parsed selector of an owner."""
        return selectors.from_label_selector(owner["spec"].get("selector"))

    def may_adopt(self, pod: Object) -> bool:
        """Whether a pod that nobody owns, and that an owner's selector matches, is worth having."""
        return True

    def pod_changed(self, old: Object, new: Object) -> None:
        """Queue whom a pod's change concerns; its deletion is seen to already."""
        for owner in (self.owner_of(old), self.owner_of(new)):
            if owner is not None:
                self.enqueue(owner)
        if controller_of(new) is None:
            self.wake_adopters(new)

    # -- events

    def owner_of(self, pod: Object) -> Object | None:
        """The object of this kind that controls a pod, if the cache knows it."""
        reference = controller_of(pod)
        if reference is None or reference["kind"] != self.resource.kind:
            return None
        owner = self.owners.get(f"{pod['metadata']['namespace']}/{reference['name']}")
        return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def wake_adopters(self, pod: Object) -> None:
        """Queue those whose selector matches a pod that nobody owns."""
        labels = pod["metadata"].get("labels") or {}
        if not labels:
            return
        for owner in self.owners.list(pod["metadata"]["namespace"]):
            if selectors.matches(self.selector(owner), labels):
                self.enqueue(owner)

    def _pod_added(self, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self._pod_deleted(pod)
        elif (owner := self.owner_of(pod)) is not None:
            self.expectations.created(key_of(owner))
            self.enqueue(owner)
        elif controller_of(pod) is None:
            self.wake_adopters(pod)

    def _pod_updated(self, old: Object, new: Object) -> None:
        if new["metadata"].get("deletionTimestamp") and not old["metadata"].get("deletionTimestamp"):
            self._pod_deleted(new)
        else:
            self.pod_changed(old, new)

    def _pod_deleted(self, pod: Object) -> None:
        if (owner := self.owner_of(pod)) is not None:
            self.expectations.deleted(key_of(owner), key_of(pod))
            self.enqueue(owner)

    # -- for reconciling

    async def claim(self, owner: Object) -> list[Object]:
        """The owner's pods, after adopting those that it should have and releasing those that it should not."""
        selector, metadata = self.selector(owner), owner["metadata"]
        return await Claims(self.client, PODS, owner, self.resource).claim(
            self.pods.by_index(OWNER_INDEX, metadata["uid"]),
            filter(self.may_adopt, self.pods.by_index(OWNER_INDEX, ORPHANS + metadata["namespace"])),
            lambda pod: selectors.matches(selector, pod["metadata"].get("labels") or {}),
        )

    async def create_pods(
        self, key: str, count: int, create: Callable[[], Awaitable[Any]]
    ) -> tuple[int, Exception | None]:
        """Create pods that are expected already, with a slow start.

        Args:
            key: the owner's key.
            count: how many.
            create: creates one.

        Returns:
            How many were created, and the first error; none where the namespace is going away, and the owner with it.
        """
        done, error = await slow_start(count, create)
        for _ in range(count - done):
            self.expectations.created(key)
        if isinstance(error, ApiError) and namespace_is_terminating(error):
            error = None
        return done, error

    async def delete_pods(self, key: str, owner: Object, pods: Iterable[Object]) -> Exception | None:
        """Delete pods whose deletion is expected already. Returns the first error; a pod that is gone is none."""

        async def delete(pod: Object) -> Exception | None:
            try:
                await self.pod_control.delete(pod, owner)
            except ApiError as error:
                self.expectations.deleted(key, key_of(pod))
                return None if is_not_found(error) else error
            return None

        results = await asyncio.gather(*(delete(pod) for pod in pods))
        return next((error for error in results if error is not None), None)
