"""DELETE: at once, gracefully, or once the finalizers are gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission.attributes import DELETE, AdmissionAttributes
from kprov.kube.apiserver.handlers import bodies
from kprov.kube.apiserver.handlers.conformance import held_against
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.handlers.read import cache_at_least, key_prefix
from kprov.kube.apiserver.http.message import Request, Response, json_response
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.query import number
from kprov.kube.apiserver.request_options import wrong_option
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.resources.selection import Selection
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.strategy import strategy_of
from kprov.kube.apiserver.strategy.base import invalid, not_supported

Object = dict[str, Any]
_ORPHAN, _FOREGROUND = "orphan", "foregroundDeletion"
# Kinds whose owned objects stay when a client does not say otherwise, as upstream's oldest strategies have it.
_ORPHANING = frozenset({("", "replicationcontrollers"), ("batch", "jobs")})
# Kinds whose deletion is answered with the object, not with a Status (Services since upstream's 1.23).
_RETURNED = frozenset(
    {"pods", "podtemplates", "persistentvolumes", "persistentvolumeclaims", "resourcequotas", "serviceaccounts",
     "services"}
)  # fmt: skip


class _AtOnce(Exception):
    """Nothing holds the object back: delete it."""

    def __init__(self, obj: Object) -> None:
        super().__init__()
        self.revision = obj["metadata"]["resourceVersion"]


class _Waiting(Exception):
    """The object is being deleted already, and nothing is to be changed."""

    def __init__(self, obj: Object) -> None:
        super().__init__()
        self.obj = obj


def ends(obj: Object, old: Object) -> bool:
    """Whether an update leaves an object that was only waiting for it to be deleted."""
    metadata = obj["metadata"]
    if not old["metadata"].get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if obj["kind"] == "Namespace":
        return not (obj.get("spec") or {}).get("finalizers")
    return not metadata.get("deletionGracePeriodSeconds") and bool(old["metadata"].get("finalizers"))


async def after(parts: Parts, info: ResourceInfo, obj: Object) -> None:
    """What follows once an object is gone."""
    if info.key == ("", "services") and parts.allocation is not None:
        await parts.allocation.release(obj)


def read_options(request: Request) -> Object:
    """DeleteOptions, from the body or the query."""
    options: Object = bodies.decode(request) if request.body.strip() else {}
    options = held_against("meta.v1.DeleteOptions", options, "DeleteOptions")
    if options.get("kind", "DeleteOptions") != "DeleteOptions":
        raise errors.bad_request(f"the body of a DELETE must be DeleteOptions, not {options['kind']}")
    query = request.query
    if query.get("gracePeriodSeconds", ""):
        options.setdefault("gracePeriodSeconds", number(query.get("gracePeriodSeconds")))
    if query.get("propagationPolicy", ""):
        options.setdefault("propagationPolicy", query.get("propagationPolicy"))
    if query.get("orphanDependents", ""):
        options.setdefault("orphanDependents", request.flag("orphanDependents"))
    policy = options.get("propagationPolicy")
    if policy is not None and options.get("orphanDependents") is not None:
        told = "orphanDependents and deletionPropagation cannot be both set"
        raise wrong_option("DeleteOptions", invalid("propagationPolicy", policy, told))
    if policy not in (None, "Orphan", "Background", "Foreground"):
        known = ["Foreground", "Background", "Orphan", "nil"]
        raise wrong_option("DeleteOptions", not_supported("propagationPolicy", policy, known))
    return options


async def delete(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """Delete one object."""
    renderer = Renderer(request, info)
    options = read_options(request)
    deletion = Deletion(parts, request, info, options, dry_run=bodies.dry_run(request, options))
    entry, gone = await deletion.run(request.info.namespace if info.namespaced else "", request.info.name)
    if gone and info.plural not in _RETURNED:
        details = {"name": request.info.name, "kind": info.plural, "uid": entry.object()["metadata"].get("uid", "")}
        if info.group:
            details["group"] = info.group
        return json_response(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        )
    entry = await parts.conversion.entry(info, entry, request.info.api_version)
    return renderer.entry(entry, 202 if not gone and options.get("orphanDependents") is False else 200)


async def delete_collection(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """Delete everything that is selected."""
    renderer = Renderer(request, info)
    options = read_options(request)
    query, version = request.query, request.info.api_version
    selection = Selection(info, version, query.get("labelSelector", ""), query.get("fieldSelector", ""))
    cache = await cache_at_least(parts, info, "")
    chosen = [entry for entry in cache.select(key_prefix(info, request.info.namespace)) if selection.matches(entry)]
    revision = parts.store.position(cache)
    deletion = Deletion(parts, request, info, options, dry_run=bodies.dry_run(request, options))
    for entry in chosen:
        namespace, _, name = entry.key.rpartition("/")
        try:
            await deletion.run(namespace, name)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
    chosen = await parts.conversion.entries(info, chosen, request.info.api_version)
    return await renderer.list(chosen, {"resourceVersion": str(revision)})


class Deletion:
    """Deletions with the same options."""

    def __init__(self, parts: Parts, request: Request, info: ResourceInfo, options: Object, *, dry_run: bool) -> None:
        self._parts = parts
        self._request = request
        self._info = info
        self._options = options
        self._dry_run = dry_run

    async def run(self, namespace: str, name: str) -> tuple[Entry, bool]:
        """Delete an object or mark it for deletion; returns its state and whether it is gone."""
        store, info = self._parts.store, self._info
        await self._admit(namespace, name)
        while True:
            try:
                return await store.update_entry(info, namespace, name, self._mark), False
            except _Waiting as waiting:
                return Entry("", 0, orjson.dumps(waiting.obj), 0), False
            except _AtOnce as found:
                revision = found.revision

            def unchanged(current: Object, revision: str = revision) -> None:
                if current["metadata"]["resourceVersion"] != revision:
                    raise errors.conflict(info, name)

            try:
                if self._dry_run:
                    return await store.get_entry(info, namespace, name), True
                entry = await store.delete_entry(info, namespace, name, unchanged)
            except ApiError as error:
                if error.reason != "Conflict":
                    raise
                continue  # the object moved on: look again
            await after(self._parts, info, entry.object())
            return entry, True

    async def _admit(self, namespace: str, name: str) -> None:
        entry = await self._parts.store.get_entry(self._info, namespace, name)
        version = self._request.info.api_version
        old = await self._parts.conversion.object(self._info, entry.object(), version)
        attrs = AdmissionAttributes(
            user=self._request.user,
            operation=DELETE,
            resource_info=self._info,
            version=self._request.info.api_version,
            namespace=namespace,
            name=name,
            old_obj=old,
            options=self._options,
            dry_run=self._dry_run,
            warnings=self._request.warnings,
            audit=self._request.audit,
        )
        await self._parts.admission.mutate(attrs)
        await self._parts.admission.validate(attrs)

    def _mark(self, obj: Object) -> Object | None:
        """The object with what its deletion waits for written down; raises _AtOnce where it waits for nothing."""
        metadata, info = obj["metadata"], self._info
        self._check_preconditions(metadata)
        if not metadata.get("deletionTimestamp"):
            strategy_of(info.group, info.plural).prepare_for_delete(obj)
        finalizers = self._finalizers(metadata)
        grace = self._grace(obj)
        namespace_waits = info.kind == "Namespace" and bool((obj.get("spec") or {}).get("finalizers"))
        if metadata.get("deletionTimestamp"):
            present = metadata.get("deletionGracePeriodSeconds") or 0
            shorter = grace is not None and grace < present
            if finalizers == (metadata.get("finalizers") or []) and not shorter:
                if finalizers or namespace_waits or (present and info.plural == "pods"):
                    raise _Waiting(obj)
                raise _AtOnce(obj)
            if shorter and grace == 0 and not finalizers:
                raise _AtOnce(obj)
            if shorter and grace is not None:
                began = datetime.fromisoformat(metadata["deletionTimestamp"]) - timedelta(seconds=present)
                metadata["deletionTimestamp"] = (began + timedelta(seconds=grace)).strftime("%Y-%m-%dT%H:%M:%SZ")
                metadata["deletionGracePeriodSeconds"] = grace
        else:
            if not finalizers and not grace and not namespace_waits:
                raise _AtOnce(obj)
            moment = datetime.now(UTC) + timedelta(seconds=grace or 0)
            metadata["deletionTimestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            if info.kind != "Namespace":
                metadata["deletionGracePeriodSeconds"] = grace or 0
            if metadata.get("generation"):
                metadata["generation"] += 1
            if info.kind == "Namespace":
                obj.setdefault("status", {})["phase"] = "Terminating"
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)
            if not namespace_waits and not metadata.get("deletionGracePeriodSeconds"):
                raise _AtOnce(obj)
        if self._dry_run:
            raise _Waiting(obj)
        return obj

    def _check_preconditions(self, metadata: Object) -> None:
        wanted = self._options.get("preconditions") or {}
        for field, label, name in (("uid", "UID", "uid"), ("resourceVersion", "ResourceVersion", "resourceVersion")):
            if wanted.get(field) and wanted[field] != metadata.get(name):
                raise errors.conflict(
                    self._info,
                    metadata["name"],
                    f"Precondition failed: {label} in precondition: {wanted[field]}, {label} in object meta: "
                    f"{metadata.get(name)}",
                )

    def _finalizers(self, metadata: Object) -> list[str]:
        """The finalizers that the object waits for, the garbage collector's among them as the policy says."""
        present: list[str] = list(metadata.get("finalizers") or [])
        policy = self._options.get("propagationPolicy")
        orphan = self._options.get("orphanDependents")
        if policy is None and orphan is None:
            if _ORPHAN in present or _FOREGROUND in present:
                return present
            if self._info.key in _ORPHANING:
                policy = "Orphan"
            else:
                return present
        elif policy is None:
            policy = "Orphan" if orphan else "Background"
        kept = [item for item in present if item not in (_ORPHAN, _FOREGROUND)]
        wanted = {"Orphan": [_ORPHAN], "Foreground": [_FOREGROUND]}.get(policy, [])
        if wanted and wanted[0] in present:
            return present if len(present) == len(kept) + 1 else [*kept, *wanted]
        return [*kept, *wanted]

    def _grace(self, obj: Object) -> int | None:
        """Seconds that a pod has to end; None for kinds that know no grace."""
        if self._info.plural != "pods":
            return None
        given = self._options.get("gracePeriodSeconds")
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
            return 0
        if given is None:
            if obj["metadata"].get("deletionTimestamp"):
                return None
            given = spec.get("terminationGracePeriodSeconds", 30)
        return 1 if given < 0 else int(given)
