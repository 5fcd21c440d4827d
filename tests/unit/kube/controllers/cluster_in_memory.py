"""An API server in memory, as far as controllers can tell: storage, watches, finalizers, owner policies, patches."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from kprov.kube.api import errors, kinds, selectors
from kprov.kube.api.kinds import Resource, key_of

Object = dict[str, Any]

SERVED = [
    (r, "list watch get create update patch delete deletecollection")
    for r in vars(kinds).values()
    if isinstance(r, Resource)
    and "review" not in r.plural
    and r.plural not in ("bindings", "evictions", "componentstatuses")
]


class ClusterInMemory:
    """Takes the place of ApiClient. ``refuse`` may raise for a (verb, resource, name)."""

    def __init__(self) -> None:
        self.objects: dict[Resource, dict[str, Object]] = {}
        self.version = 0
        self.clock: Callable[[], float] = time.time
        self.refuse: Callable[[str, Resource, str], None] = lambda verb, resource, name: None
        self.calls: list[tuple[str, str, str]] = []
        self._watchers: dict[Resource, list[asyncio.Queue[Object]]] = {}
        self._history: dict[Resource, list[Object]] = {}
        self._serial = 0
        self.allowed = True  # what a SubjectAccessReview says

    # -- seeing

    def of(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        """The stored objects of a kind, by name."""
        found = self.objects.get(resource, {}).values()
        return sorted((o for o in found if namespace in (None, o["metadata"].get("namespace"))), key=key_of)

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """One stored object."""
        return self.objects.get(resource, {}).get(f"{namespace}/{name}" if namespace else name)

    # -- the client's verbs

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        await asyncio.sleep(0)
        self._count("get", resource, name)
        found = self.find(resource, name, namespace)
        if found is None:
            raise errors.not_found(resource, name)
        return copy.deepcopy(found)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        resource_version: str | None = None,
        limit: int | None = None,
        continue_token: str | None = None,
    ) -> Object:
        await asyncio.sleep(0)
        self._count("list", resource, "")
        items = [o for o in self.of(resource, namespace) if self._selected(o, label_selector, field_selector)]
        return {"metadata": {"resourceVersion": str(self.version)}, "items": copy.deepcopy(items)}

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[Object]:
        queue: asyncio.Queue[Object] = asyncio.Queue()
        for event in self._history.get(resource, []):
            if int(event["object"]["metadata"]["resourceVersion"]) > int(resource_version):
                queue.put_nowait(event)
        self._watchers.setdefault(resource, []).append(queue)
        try:
            while True:
                event = await queue.get()
                if namespace in (None, event["object"]["metadata"].get("namespace")) and self._selected(
                    event["object"], label_selector, field_selector
                ):
                    yield copy.deepcopy(event)
        finally:
            self._watchers[resource].remove(queue)

    async def create(self, resource: Resource, obj: Object, namespace: str | None = None) -> Object:
        await asyncio.sleep(0)
        if resource == kinds.SUBJECT_ACCESS_REVIEWS:
            return {**obj, "status": {"allowed": self.allowed}}
        self._count("create", resource, obj["metadata"].get("name", ""))
        return self.add(resource, obj, namespace)

    def add(self, resource: Resource, obj: Object, namespace: str | None = None) -> Object:
        """Create without a call being counted."""
        obj = copy.deepcopy(obj)
        metadata = obj.setdefault("metadata", {})
        if resource.namespaced:
            metadata.setdefault("namespace", namespace or "default")
        if not metadata.get("name"):
            self._serial += 1
            metadata["name"] = f"{metadata['generateName']}{self._serial:05d}"
        if key_of(obj) in self.objects.get(resource, {}):
            raise errors.already_exists(resource, metadata["name"])
        self._serial += 1
        metadata.setdefault("uid", f"uid-{self._serial}")
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.clock()))
        metadata.setdefault("creationTimestamp", stamp)
        if "spec" in obj:
            metadata.setdefault("generation", 1)
        obj |= {"apiVersion": resource.api_version, "kind": resource.kind}
        self._store(resource, obj, "ADDED")
        return copy.deepcopy(obj)

    async def update(self, resource: Resource, obj: Object, *, subresource: str | None = None) -> Object:
        await asyncio.sleep(0)
        metadata = obj["metadata"]
        self._count(f"update/{subresource}" if subresource else "update", resource, metadata["name"])
        current = self.objects.get(resource, {}).get(key_of(obj))
        if current is None:
            raise errors.not_found(resource, metadata["name"])
        if metadata.get("resourceVersion") not in (None, current["metadata"]["resourceVersion"]):
            raise errors.conflict(resource, metadata["name"])
        return self._replace(resource, current, copy.deepcopy(obj), subresource)

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: Any,
        *,
        patch_type: str = "merge",
        subresource: str | None = None,
        field_manager: str | None = None,
    ) -> Object:
        await asyncio.sleep(0)
        self._count(f"patch/{subresource}" if subresource else "patch", resource, name)
        current = self.find(resource, name, namespace)
        if current is None:
            raise errors.not_found(resource, name)
        given = patch.get("metadata", {})
        if given.get("uid") not in (None, current["metadata"]["uid"]):
            raise errors.conflict(resource, name)
        if given.get("resourceVersion") not in (None, current["metadata"]["resourceVersion"]):
            raise errors.conflict(resource, name)
        return self._replace(resource, current, _merged(current, patch, patch_type == "strategic"), subresource)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        grace_period_seconds: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation_policy: str | None = None,
    ) -> Object:
        await asyncio.sleep(0)
        self._count("delete", resource, name)
        current = self.find(resource, name, namespace)
        if current is None:
            raise errors.not_found(resource, name)
        metadata = current["metadata"]
        if uid not in (None, metadata["uid"]) or resource_version not in (None, metadata["resourceVersion"]):
            raise errors.conflict(resource, name)
        obj = copy.deepcopy(current)
        wanted = {"Foreground": ["foregroundDeletion"], "Orphan": ["orphan"]}.get(propagation_policy or "", [])
        finalizers = [
            f for f in obj["metadata"].get("finalizers") or [] if f not in ("orphan", "foregroundDeletion")
        ] + wanted
        kept_finalizers = finalizers or (obj.get("spec") or {}).get("finalizers")
        if kept_finalizers:
            obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            obj["metadata"]["finalizers"] = finalizers
            self._store(resource, obj, "MODIFIED")
        else:
            self._drop(resource, obj)
        return obj

    async def request(self, method: str, path: str, params: Any = None, body: Any = None, **_: Any) -> Any:
        await asyncio.sleep(0)
        if method == "DELETE":
            for resource, _verbs in SERVED:
                for namespace in {o["metadata"].get("namespace") for o in self.of(resource)} - {None}:
                    if resource.path(namespace) == path:
                        for obj in self.of(resource, namespace):
                            await self.delete(resource, obj["metadata"]["name"], namespace)
            return {}
        if path == "/apis":
            groups: dict[str, set[str]] = {}
            for resource, _verbs in SERVED:
                if resource.group:
                    groups.setdefault(resource.group, set()).add(resource.version)
            return {
                "groups": [
                    {"name": g, "versions": [{"version": v} for v in vs], "preferredVersion": {"version": min(vs)}}
                    for g, vs in groups.items()
                ]
            }
        _, _, rest = path.partition("/api")
        api_version = rest.removeprefix("s/").removeprefix("/")
        return {
            "resources": [
                {"name": r.plural, "kind": r.kind, "namespaced": r.namespaced, "verbs": verbs.split()}
                for r, verbs in SERVED
                if r.api_version == api_version
            ]
        }

    async def close(self) -> None:
        pass

    # -- what kubelets and others do

    def change(self, resource: Resource, name: str, namespace: str | None = None, **parts: Any) -> Object:
        """Merge into an object as another client would."""
        current = self.find(resource, name, namespace)
        assert current is not None, f"there is no {resource.kind} {name}"
        obj = _merged(current, parts, False)
        if "spec" in parts:
            obj["metadata"]["generation"] = obj["metadata"].get("generation", 1) + 1
        self._store(resource, obj, "MODIFIED")
        return obj

    def run_pods(self, namespace: str = "default", *, phase: str = "Running", ready: bool = True) -> None:
        """Report on all pods that nobody has reported on, as a kubelet would."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.clock()))
        for pod in self.of(kinds.PODS, namespace):
            if not pod.get("status", {}).get("podIP"):
                number = self._serial = self._serial + 1
                status = {
                    "phase": phase,
                    "podIP": f"10.244.{number // 250}.{number % 250}",
                    "conditions": [
                        {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": stamp}
                    ],
                }
                self.change(kinds.PODS, pod["metadata"]["name"], namespace, status=status)

    # -- within

    def _count(self, verb: str, resource: Resource, name: str) -> None:
        self.calls.append((verb, resource.plural, name))
        self.refuse(verb, resource, name)

    @staticmethod
    def _selected(obj: Object, label_selector: str | None, field_selector: str | None) -> bool:
        if label_selector and not selectors.matches(label_selector, obj["metadata"].get("labels") or {}):
            return False
        if field_selector:
            fields = {
                "metadata.name": obj["metadata"]["name"],
                "metadata.namespace": obj["metadata"].get("namespace", ""),
                "type": obj.get("type", ""),
                "spec.nodeName": (obj.get("spec") or {}).get("nodeName", ""),
            }
            return selectors.parse_field_selector(field_selector).matches(fields)
        return True

    def _replace(self, resource: Resource, current: Object, obj: Object, subresource: str | None) -> Object:
        new = copy.deepcopy(current)
        if subresource in ("status", "approval"):
            new["status"] = obj.get("status")
        else:
            status = new.get("status")
            new = {**obj, "metadata": {**obj["metadata"], "uid": current["metadata"]["uid"]}}
            if status is not None:
                new["status"] = status
            if current.get("spec") != new.get("spec"):
                new["metadata"]["generation"] = current["metadata"].get("generation", 1) + 1
        same = {**new, "metadata": {**new["metadata"], "resourceVersion": ""}} == {
            **current,
            "metadata": {**current["metadata"], "resourceVersion": ""},
        }
        if same:
            return copy.deepcopy(current)
        metadata = new["metadata"]
        if (
            metadata.get("deletionTimestamp")
            and not metadata.get("finalizers")
            and not (new.get("spec") or {}).get("finalizers")
        ):
            self._drop(resource, new)
        else:
            self._store(resource, new, "MODIFIED")
        return copy.deepcopy(new)

    def _store(self, resource: Resource, obj: Object, event: str) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.objects.setdefault(resource, {})[key_of(obj)] = obj
        self._tell(resource, event, obj)

    def _drop(self, resource: Resource, obj: Object) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.objects[resource].pop(key_of(obj), None)
        self._tell(resource, "DELETED", obj)

    def _tell(self, resource: Resource, event: str, obj: Object) -> None:
        record = {"type": event, "object": copy.deepcopy(obj)}
        self._history.setdefault(resource, []).append(record)
        for queue in self._watchers.get(resource, ()):
            queue.put_nowait(record)


_KEYS = {"ownerReferences": "uid", "conditions": "type", "finalizers": None}


def _merged(current: Any, patch: Any, strategic: bool, field: str = "") -> Any:
    """A merge patch; strategic as far as lists with a key go."""
    if strategic and isinstance(patch, list) and _KEYS.get(field):
        key = _KEYS[field]
        result = list(copy.deepcopy(current or []))
        for entry in patch:
            index = next((i for i, old in enumerate(result) if old[key] == entry[key]), None)
            if entry.get("$patch") == "delete":
                if index is not None:
                    del result[index]
            elif index is None:
                result.append(entry)
            else:
                result[index] = {**result[index], **entry}
        return result
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(current) if isinstance(current, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value, strategic, name)
    return result
