"""The garbage collector: deletes dependents of absent owners, lets them go as orphans, or first of all.

Nothing is deleted on the graph's word alone. The graph says where to look; the API server is asked for the object and
for each of its owners before a delete, which names the uid that it means.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Iterable
from typing import Any

from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import Resource
from kprov.kube.controllers.controller import Context, Controller, every
from kprov.kube.controllers.garbagecollector.graph import FOREGROUND, ORPHAN, Graph, Owner, item_of, owners_of
from kprov.kube.controllers.garbagecollector.monitors import Monitors

Object = dict[str, Any]
log = logging.getLogger(__name__)

DISCOVERY_PERIOD = 30.0
_ABSENT_REMEMBERED = 500


class GarbageCollector(Controller):
    """Decides about objects that have owners, or dependents."""

    name = "garbagecollector"
    account = "generic-garbage-collector"
    component = "garbage-collector-controller"
    workers = 20

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.graph = Graph()
        self.monitors = Monitors(context, self.client, self._seen, self._gone, self._unserved)
        self._absent: OrderedDict[tuple[str, str | None], None] = OrderedDict()

    def loops(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Looking for new kinds."""
        return (every(DISCOVERY_PERIOD, self.monitors.follow_all, "garbage collector: discovery"),)

    async def run(self) -> None:
        """Run until cancelled, then stop the informers of its own."""
        try:
            await super().run()
        finally:
            await self.monitors.stop()

    # -- events

    def _seen(self, resource: Resource, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        item = item_of(resource, obj)
        old = self.graph.put(uid, item)
        if old == item:
            return
        if item.orphans or item.waits:
            self.queue.add(uid)
        if item.waits and (old is None or not old.waits):
            for dependent in self.graph.dependents(uid):
                self.queue.add(dependent)
        if old is not None:
            # An owner that waits for this one may go on when the reference is gone or blocks no more.
            blocking = {owner.uid for owner in item.owners if owner.blocks}
            for owner in old.owners:
                if owner.uid not in blocking:
                    self._wake_waiting(owner.uid)
        if item.owners and (old is None or old.owners != item.owners):
            for owner in item.owners:
                known = self.graph.items.get(owner.uid)
                if known is None or known.waits:
                    self.queue.add(uid)

    def _gone(self, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        self._forget(uid, obj["metadata"].get("namespace"))

    def _unserved(self, resource: Resource) -> None:
        """A kind is served no more: forget its objects, without taking them for deleted."""
        for uid in [uid for uid, item in self.graph.items.items() if item.resource == resource]:
            self.graph.remove(uid)

    def _forget(self, uid: str, namespace: str | None) -> None:
        old = self.graph.remove(uid)
        self._remember_absent(uid, namespace)
        for dependent in self.graph.dependents(uid):
            self.queue.add(dependent)
        for owner in old.owners if old else ():
            self._wake_waiting(owner.uid)

    def _wake_waiting(self, uid: str) -> None:
        owner = self.graph.items.get(uid)
        if owner is not None and owner.waits:
            self.queue.add(uid)

    def _remember_absent(self, uid: str, namespace: str | None) -> None:
        self._absent[uid, namespace] = None
        if len(self._absent) > _ABSENT_REMEMBERED:
            self._absent.popitem(last=False)

    # -- deciding

    async def reconcile(self, key: str) -> None:
        """Decide about one object, by its uid."""
        await self.monitors.ready.wait()
        item = self.graph.items.get(key)
        if item is None:
            return
        if item.orphans:
            await self._let_go(key)
            return
        if item.deleting and not item.waits:
            return
        if not item.waits and all(
            (known := self.graph.items.get(owner.uid)) is not None and not known.waits for owner in item.owners
        ):
            return
        live = await self._live(item.resource, item.namespace, item.name)
        if live is None or live["metadata"]["uid"] != key:
            self._forget(key, item.namespace)
            return
        if item.waits:
            await self._finish_foreground(key, live)
            return
        await self._judge(key, live)

    async def _live(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        try:
            return await self.client.get(resource, name, namespace)
        except ApiError as error:
            if is_not_found(error):
                return None
            raise

    async def _judge(self, uid: str, live: Object) -> None:
        item = self.graph.items.get(uid)
        if item is None:  # it went while we asked for it
            return
        solid: list[Owner] = []
        waiting: list[Owner] = []
        owners = owners_of(live)
        for owner in owners:
            state = await self._state_of(owner, item.namespace)
            if state == "solid":
                solid.append(owner)
            elif state == "waiting":
                waiting.append(owner)
        if not owners:
            return
        if solid:
            if len(solid) < len(owners):
                kept = {owner.uid for owner in solid}
                references = [r for r in live["metadata"]["ownerReferences"] if r["uid"] in kept]
                await self._patch(item.resource, live, {"ownerReferences": references})
            return
        finalizers = live["metadata"].get("finalizers") or ()
        if waiting and self.graph.dependents(uid):
            if any(self.graph.items[d].waits for d in self.graph.dependents(uid) if d in self.graph.items):
                # A circle: its owner waits for it, and it would wait for its owner.
                references = [{**r, "blockOwnerDeletion": False} for r in live["metadata"]["ownerReferences"]]
                live = await self._patch(item.resource, live, {"ownerReferences": references})
            policy = "Foreground"
        elif ORPHAN in finalizers:
            policy = "Orphan"
        elif FOREGROUND in finalizers:
            policy = "Foreground"
        else:
            policy = "Background"
        metadata = live["metadata"]
        try:
            # With the resourceVersion: an owner reference may have been added since the object was read.
            await self.client.delete(
                item.resource,
                metadata["name"],
                metadata.get("namespace"),
                uid=uid,
                resource_version=metadata["resourceVersion"],
                propagation_policy=policy,
            )
        except ApiError as error:
            if not is_not_found(error):
                raise

    async def _state_of(self, owner: Owner, namespace: str | None) -> str:
        """solid, waiting (for its dependents) or absent. Raises LookupError if the kind is not served."""
        group, _, _ = owner.api_version.rpartition("/")
        resource = self.monitors.resource(group, owner.kind)
        if resource is None:
            raise LookupError(f"owner {owner.api_version} {owner.kind} {owner.name} is of a kind that is not served")
        where = namespace if resource.namespaced else None
        if resource.namespaced and namespace is None:
            # A cluster-scoped object cannot be owned from within a namespace: leave it alone.
            log.warning("cluster-scoped dependent names a namespaced owner: %s %s", owner.kind, owner.name)
            return "solid"
        if (owner.uid, where) in self._absent:
            return "absent"
        found = await self._live(resource, where, owner.name)
        if found is None or found["metadata"]["uid"] != owner.uid:
            self._remember_absent(owner.uid, where)
            return "absent"
        metadata = found["metadata"]
        if metadata.get("deletionTimestamp") and FOREGROUND in (metadata.get("finalizers") or ()):
            return "waiting"
        return "solid"

    async def _finish_foreground(self, uid: str, live: Object) -> None:
        blockers = self.graph.blockers(uid)
        if not blockers:
            await self._drop_finalizer(self.graph.items[uid].resource, live, FOREGROUND)
            return
        for dependent in blockers:
            item = self.graph.items.get(dependent)
            if item is not None and not item.waits:
                self.queue.add(dependent)

    async def _let_go(self, uid: str) -> None:
        """Take the owner's reference off all dependents, then its ``orphan`` finalizer."""
        item = self.graph.items[uid]
        live = await self._live(item.resource, item.namespace, item.name)
        if live is None or live["metadata"]["uid"] != uid:
            self._forget(uid, item.namespace)
            return

        async def release(dependent: str) -> None:
            child = self.graph.items.get(dependent)
            if child is None:
                return
            found = await self._live(child.resource, child.namespace, child.name)
            if found is None or found["metadata"]["uid"] != dependent:
                return
            references = found["metadata"].get("ownerReferences") or []
            kept = [r for r in references if r["uid"] != uid]
            if len(kept) != len(references):
                await self._patch(child.resource, found, {"ownerReferences": kept or None})

        await asyncio.gather(*(release(dependent) for dependent in self.graph.dependents(uid)))
        await self._drop_finalizer(item.resource, live, ORPHAN)

    async def _drop_finalizer(self, resource: Resource, live: Object, finalizer: str) -> None:
        finalizers = live["metadata"].get("finalizers") or []
        if finalizer in finalizers:
            kept = [f for f in finalizers if f != finalizer]
            await self._patch(resource, live, {"finalizers": kept or None})

    async def _patch(self, resource: Resource, live: Object, metadata: Object) -> Object:
        """Change metadata of exactly the object that was read."""
        found = live["metadata"]
        patch = {"metadata": {"uid": found["uid"], "resourceVersion": found["resourceVersion"], **metadata}}
        try:
            answer: Object = await self.client.patch(
                resource, found["name"], found.get("namespace"), patch, patch_type="merge"
            )
        except ApiError as error:
            if not is_not_found(error):
                raise
            return live
        return answer
