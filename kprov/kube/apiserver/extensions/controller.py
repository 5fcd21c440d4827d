"""Follows the definitions: judges their names, serves their kinds, and takes the objects away with a deleted one.

Every API server runs it. What it writes is the same whoever writes it first, and is guarded by resourceVersion; what
it serves is what etcd says, so a server that has caught up with etcd serves what all others do.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.extensions.conditions import FINALIZER, condition, now, with_condition
from kprov.kube.apiserver.extensions.kinds import CustomKind, custom_kind
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.storage.etcd import EtcdError, FateUnknown
from kprov.kube.apiserver.storage.hub import NotFreshInTime
from kprov.kube.apiserver.storage.store import Store

Object = dict[str, Any]

_log = logging.getLogger(__name__)
DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")
_PAUSE = 0.5  # seconds before what failed, or has to wait, is tried again


class Definitions:
    """The definitions of this cluster.

    Args:
        store: where they and their objects are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self.generation = 0  # changes whenever what is served does
        store.subscribe(DEFINITIONS, self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        """A definition as etcd has it now: serve it, or no longer."""
        definition: Object = new or old or {}
        spec = definition["spec"]
        key = (spec["group"], spec["names"]["plural"])
        if new is not None and condition(new, "Established").get("status") == "True":
            self._serve(custom_kind(new))
        elif old is not None and self._serves(key, old):
            self._forget(key)
        # A name that was taken may be free now.
        others = [] if new is not None else [each["metadata"]["name"] for each in self._same_group(spec["group"])]
        for name in (definition["metadata"]["name"], *others):
            self._enqueue(name)

    def _serves(self, key: tuple[str, str], definition: Object) -> bool:
        present = kinds.find(*key)
        return present is not None and present.uid == definition["metadata"]["uid"]

    def _serve(self, kind: CustomKind) -> None:
        before = kinds.find(*kind.info.key)
        if kind == before:
            return
        kinds.serve(kind)
        self.generation += 1
        if before is not None:
            self._end_watches(before)

    def _forget(self, key: tuple[str, str]) -> None:
        gone = kinds.forget(key)
        if gone is not None:
            self.generation += 1
            self._end_watches(gone)

    def _end_watches(self, kind: CustomKind) -> None:
        for feed in tuple(self._store.cache(kind.info).feeds):
            feed.close()

    def _same_group(self, group: str) -> list[Object]:
        return [each for each in self._store.cached_list(DEFINITIONS) if each["spec"]["group"] == group]

    def _enqueue(self, name: str) -> None:
        if name not in self._waiting:
            self._waiting.add(name)
            self._queue.put_nowait(name)

    async def catch_up(self) -> None:
        """Return once every definition that etcd has is known here. Raises EtcdError or NotFreshInTime."""
        await self._store.hub.wait_for(await self._store.etcd.current_revision())

    async def run(self) -> None:
        """Judge and clean up until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            name = await self._queue.get()
            self._waiting.discard(name)
            try:
                again = await self._reconcile(name)
            except (ApiError, EtcdError, FateUnknown, NotFreshInTime, TimeoutError) as error:
                _log.warning("definition %s: %s; trying again", name, error)
                again = True
            except Exception:
                _log.exception("definition %s", name)
                again = True
            if again:
                loop.call_later(_PAUSE, self._enqueue, name)

    async def _reconcile(self, name: str) -> bool:
        """One definition; returns whether it must be looked at again."""
        definition = self._store.cached_get(DEFINITIONS, "", name)
        if definition is None:
            return False
        if definition["metadata"].get("deletionTimestamp"):
            return await self._clean_up(definition)
        await self._write_status(definition, self._judged)
        return False

    async def _write_status(self, definition: Object, judge: Any) -> None:
        def change(current: Object) -> Object | None:
            if current["metadata"]["uid"] != definition["metadata"]["uid"]:
                return None
            status = judge(current)
            return None if status == current.get("status") else {**current, "status": status}

        try:
            await self._store.guaranteed_update(DEFINITIONS, "", definition["metadata"]["name"], change)
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    def _judged(self, definition: Object) -> Object:
        """The status that a definition's names deserve."""
        spec, status = definition["spec"], dict(definition.get("status") or {})
        accepted, problem = self._accepted(definition)
        status["acceptedNames"] = accepted
        if problem:
            status = with_condition(status, "NamesAccepted", "False", *problem)
        else:
            status = with_condition(status, "NamesAccepted", "True", "NoConflicts", "no conflicts found")
        established = condition(definition, "Established").get("status") == "True"
        if not problem and accepted == spec["names"] and not established:
            told = ("InitialNamesAccepted", "the initial names have been accepted")
            status = with_condition(status, "Established", "True", *told)
        elif not established:
            status = with_condition(status, "Established", "False", "NotAccepted", "not all names are accepted")
        status.setdefault("storedVersions", [each["name"] for each in spec["versions"] if each.get("storage")])
        return status

    def _accepted(self, definition: Object) -> tuple[Object, tuple[str, str] | None]:
        """The names that a definition may have, and the first conflict."""
        spec = definition["spec"]
        resources: set[str] = set()
        taken_kinds: set[str] = set()
        for other in self._same_group(spec["group"]):
            if other["metadata"]["name"] == definition["metadata"]["name"]:
                continue
            names = (other.get("status") or {}).get("acceptedNames") or {}
            resources |= {each for each in (names.get("plural"), names.get("singular")) if each}
            resources |= set(names.get("shortNames") or ())
            taken_kinds |= {each for each in (names.get("kind"), names.get("listKind")) if each}
        for info in RESOURCES.values():
            if info.group == spec["group"] and kinds.find(*info.key) is None:
                resources |= {info.plural, info.singular, *info.short_names}
                taken_kinds |= {info.kind, info.list_kind}
        wanted, kept = spec["names"], dict((definition.get("status") or {}).get("acceptedNames") or {})
        problem: tuple[str, str] | None = None
        for field, reason, taken in (
            ("plural", "PluralConflict", resources),
            ("singular", "SingularConflict", resources),
            ("shortNames", "ShortNamesConflict", resources),
            ("kind", "KindConflict", taken_kinds),
            ("listKind", "ListKindConflict", taken_kinds),
        ):
            value = wanted.get(field)
            clash = [each for each in (value if isinstance(value, list) else [value]) if each in taken]
            if clash:
                problem = problem or (reason, f'"{clash[0]}" is already in use')
            elif value is not None:
                kept[field] = value
            else:
                kept.pop(field, None)
        if wanted.get("categories"):
            kept["categories"] = wanted["categories"]
        else:
            kept.pop("categories", None)
        return kept, problem

    # -- a definition that goes takes its objects with it

    async def _clean_up(self, definition: Object) -> bool:
        if FINALIZER not in (definition["metadata"].get("finalizers") or ()):
            return False
        left = 0
        if condition(definition, "Established").get("status") == "True":
            # by the definition's own word, not by what is served: another server may have served it
            left = await self._delete_objects(custom_kind(definition))
        if left:
            message = f"{left} instances remaining"
            told = ("InstanceDeletionInProgress", f"CustomResource deletion is in progress: {message}")
            await self._write_status(
                definition, lambda current: with_condition(current["status"], "Terminating", "True", *told)
            )
            return True
        await self._let_go(definition)
        return False

    async def _delete_objects(self, kind: CustomKind) -> int:
        """Delete every object of a kind; returns how many remain, held by finalizers."""
        store, info = self._store, kind.info
        left = 0
        for entry in list((await store.fresh(info)).select("")):  # deletions change what is iterated
            namespace, _, name = entry.key.rpartition("/")
            try:
                if not (entry.object()["metadata"].get("finalizers")):
                    await store.delete_entry(info, namespace, name, _unheld)
                    continue
                await store.update_entry(info, namespace, name, _marked)
                left += 1
            except _Held:
                left += 1
            except ApiError as error:
                if error.reason != "NotFound":
                    raise
        return left

    async def _let_go(self, definition: Object) -> None:
        store, name = self._store, definition["metadata"]["name"]
        others = [each for each in definition["metadata"]["finalizers"] if each != FINALIZER]
        try:
            if others:
                await store.guaranteed_update(DEFINITIONS, "", name, _without_finalizer)
            else:
                await store.delete(DEFINITIONS, "", name, precondition_uid=definition["metadata"]["uid"])
        except ApiError as error:
            if error.reason != "NotFound":
                raise


class _Held(Exception):
    """An object has finalizers, so it cannot go at once."""


def _unheld(obj: Object) -> None:
    if obj["metadata"].get("finalizers"):
        raise _Held


def _marked(obj: Object) -> Object | None:
    if obj["metadata"].get("deletionTimestamp"):
        return None
    metadata = {**obj["metadata"], "deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
    return {**obj, "metadata": metadata}


def _without_finalizer(obj: Object) -> Object:
    kept = [each for each in obj["metadata"]["finalizers"] if each != FINALIZER]
    return {**obj, "metadata": {**obj["metadata"], "finalizers": kept}}
