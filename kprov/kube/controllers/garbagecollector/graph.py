"""Who owns whom, over all kinds: only metadata, and only what deciding needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kprov.kube.api.kinds import Resource

Object = dict[str, Any]
ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


@dataclass(slots=True)
class Owner:
    """One owner reference."""

    api_version: str
    kind: str
    name: str
    uid: str
    blocks: bool


@dataclass(slots=True)
class Item:
    """One object."""

    resource: Resource
    namespace: str | None
    name: str
    owners: tuple[Owner, ...]
    deleting: bool
    orphans: bool  # is being deleted and leaves its dependents
    waits: bool  # is being deleted and waits for its dependents


_NONE: tuple[Owner, ...] = ()


def owners_of(obj: Object) -> tuple[Owner, ...]:
    """The owner references of an object."""
    references = obj["metadata"].get("ownerReferences")
    if not references:
        return _NONE
    return tuple(
        Owner(r["apiVersion"], r["kind"], r["name"], r["uid"], bool(r.get("blockOwnerDeletion"))) for r in references
    )


def item_of(resource: Resource, obj: Object) -> Item:
    """What the graph keeps of an object."""
    metadata = obj["metadata"]
    deleting = bool(metadata.get("deletionTimestamp"))
    finalizers = metadata.get("finalizers") or ()
    return Item(
        resource,
        metadata.get("namespace"),
        metadata["name"],
        owners_of(obj),
        deleting,
        deleting and ORPHAN in finalizers,
        deleting and FOREGROUND in finalizers,
    )


def slim(obj: Object) -> Object:
    """An object's metadata, as far as the graph reads it: what informers keep."""
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "deletionTimestamp", "finalizers", "ownerReferences")
    return {"metadata": {name: metadata[name] for name in kept if metadata.get(name)}}


class Graph:
    """Items by uid, and dependents by the uid of their owner (known or not)."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self._dependents: dict[str, dict[str, None]] = {}

    def dependents(self, uid: str) -> list[str]:
        """The uids of those that name this owner."""
        return list(self._dependents.get(uid, ()))

    def put(self, uid: str, item: Item) -> Item | None:
        """Add or replace an item. Returns what was there."""
        old = self.items.get(uid)
        self.items[uid] = item
        before = {owner.uid for owner in old.owners} if old else set()
        after = {owner.uid for owner in item.owners}
        for owner in before - after:
            self._unlink(owner, uid)
        for owner in after - before:
            self._dependents.setdefault(owner, {})[uid] = None
        return old

    def remove(self, uid: str) -> Item | None:
        """Forget an item; its dependents stay known as such."""
        old = self.items.pop(uid, None)
        for owner in old.owners if old else ():
            self._unlink(owner.uid, uid)
        return old

    def _unlink(self, owner: str, uid: str) -> None:
        entries = self._dependents.get(owner)
        if entries is not None:
            entries.pop(uid, None)
            if not entries:
                del self._dependents[owner]

    def blockers(self, uid: str) -> list[str]:
        """The dependents that a foreground deletion of this owner waits for."""
        return [
            dependent
            for dependent in self.dependents(uid)
            if any(owner.uid == uid and owner.blocks for owner in self.items[dependent].owners)
        ]
