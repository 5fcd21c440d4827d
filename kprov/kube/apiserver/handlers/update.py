"""One update of one object, or of one of its subresources: what comes before it is stored, and after."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission.attributes import UPDATE, AdmissionAttributes
from kprov.kube.apiserver.fieldmanager import manager_of, record_update
from kprov.kube.apiserver.handlers import deletion, metadata
from kprov.kube.apiserver.handlers.create import event_ttl, refuse
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.storage.encoding import encode
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.storage.etcd import EtcdError, FateUnknown
from kprov.kube.apiserver.strategy import StrategyContext, strategy_of

Object = dict[str, Any]
MakeNew = Callable[[Object], Object]
"""From the present object (in the stored version) to what the client wants it to be."""


class _Gone(Exception):
    """The update took the last finalizer of an object that was to be deleted: it goes now."""

    def __init__(self, obj: Object) -> None:
        super().__init__()
        self.obj = obj


class _DryRun(Exception):
    """Stops before storage."""

    def __init__(self, obj: Object) -> None:
        super().__init__()
        self.obj = obj


class Update:
    """One update of one object, from whatever kind of request."""

    def __init__(
        self, parts: Parts, request: Request, info: ResourceInfo, *, dry_run: bool, options_kind: str = "UpdateOptions"
    ) -> None:
        self._parts = parts
        self._request = request
        self._info = info
        self._strategy = strategy_of(info.group, info.plural)
        self._subresource = request.info.subresource
        self._dry_run = dry_run
        self._options = {"kind": options_kind, "apiVersion": "meta.k8s.io/v1"}
        if dry_run:
            self._options["dryRun"] = ["All"]  # type: ignore[assignment]
        self._ctx = StrategyContext(
            request.user,
            info,
            request.info.api_version,
            request.info.namespace,
            self._subresource,
            dry_run,
            request.warnings,
        )
        self._allocation: Any = None
        self.records_managers = True

    async def run(self, make_new: MakeNew) -> Entry:
        """Change the object until it sticks. Raises ApiError."""
        store, info, name = self._parts.store, self._info, self._request.info.name
        namespace = self._request.info.namespace if info.namespaced else ""
        try:
            entry = await store.update_entry(
                info,
                namespace,
                name,
                lambda current: self._converted_change(current, make_new),
                ttl_seconds=event_ttl(self._parts, info),
            )
        except _DryRun as stopped:
            return Entry("", 0, _with_revision(stopped.obj), 0)
        except _Gone as gone:
            return await self._delete(namespace, name, gone.obj)
        except FateUnknown:  # nor of a request that was cancelled: what it took may be the Service's by now
            raise
        except (ApiError, EtcdError):
            if self._allocation is not None:
                await self._allocation.undo()
            raise
        if self._allocation is not None:
            await self._allocation.commit()
        return await self._parts.conversion.entry(info, entry, self._request.info.api_version)

    async def _delete(self, namespace: str, name: str, obj: Object) -> Entry:
        revision = obj["metadata"]["resourceVersion"]

        def unchanged(current: Object) -> None:
            if current["metadata"]["resourceVersion"] != revision:
                raise errors.conflict(self._info, name)

        await self._parts.store.delete_entry(self._info, namespace, name, unchanged)
        await deletion.after(self._parts, self._info, obj)
        return Entry("", 0, _with_revision(obj), 0)

    async def _converted_change(self, current: Object, make_new: MakeNew) -> Object | None:
        """The change, made in the version that the client speaks."""
        info, conversion = self._info, self._parts.conversion
        new = await self._change(await conversion.object(info, current, self._request.info.api_version), make_new)
        return None if new is None else await conversion.stored(info, new)

    async def _change(self, current: Object, make_new: MakeNew) -> Object | None:
        info, subresource = self._info, self._subresource
        if self._allocation is not None:  # the object moved on: what was allocated for its former state goes back
            await self._allocation.undo()
            self._allocation = None
        obj = await self._parts.conversion.settled(lambda: make_new(current))
        self._check_preconditions(obj, current)
        metadata.keep_for_update(obj, current)
        if subresource == "status":
            obj = _only_status(obj, current, info)
        elif info.has_status and subresource in ("", "resize", "ephemeralcontainers"):
            if "status" in current:
                obj["status"] = current["status"]
            else:
                obj.pop("status", None)
        self._strategy.default(obj)
        if self.records_managers:
            changed = obj
            await self._parts.conversion.settled(lambda: self._record_managers(changed, current))
        attrs = self._attributes(obj, current)
        await self._parts.admission.mutate(attrs)
        obj = self._admitted(attrs, obj)
        self._prepare(obj, current)
        if subresource == "":
            metadata.count_generation(obj, current, info)
        refuse(info, obj["metadata"].get("name", ""), self._errors(obj, current))
        await self._parts.admission.validate(attrs)
        if subresource == "":
            self._request.warnings.extend(
                text for text in self._strategy.warnings(obj) if text not in self._request.warnings
            )
        if info.key == ("", "services") and not subresource and self._parts.allocation is not None:
            self._allocation = await self._parts.allocation.allocate(obj, current, self._dry_run)
        if self._dry_run:
            raise _DryRun(obj)
        if deletion.ends(obj, current):
            raise _Gone(obj)
        return obj

    def _attributes(self, obj: Object, current: Object) -> AdmissionAttributes:
        """The update as admission sees it."""
        return AdmissionAttributes(
            user=self._request.user,
            operation=UPDATE,
            resource_info=self._info,
            version=self._request.info.api_version,
            subresource=self._subresource,
            namespace=self._request.info.namespace,
            name=self._request.info.name,
            obj=obj,
            old_obj=current,
            options=self._options,
            dry_run=self._dry_run,
            warnings=self._request.warnings,
            audit=self._request.audit,
        )

    def _admitted(self, attrs: AdmissionAttributes, obj: Object) -> Object:
        """The object as admission has left it."""
        return attrs.obj or obj

    def _record_managers(self, obj: Object, current: Object) -> None:
        version, through = self._request.info.api_version, self._request.info.subresource
        record_update(obj, current, self._info, manager=manager_of(self._request), version=version, subresource=through)

    def _check_preconditions(self, obj: Object, current: Object) -> None:
        info, name = self._info, self._request.info.name
        wanted, present = obj["metadata"], current["metadata"]
        replaced = self._options["kind"] == "UpdateOptions"  # a patch's is no precondition: the field is immutable
        if replaced and wanted.get("uid") and wanted["uid"] != present.get("uid"):
            raise errors.conflict(
                info,
                name,
                f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {present.get('uid')}",
            )
        version = wanted.get("resourceVersion")
        if version in (None, "", "0"):
            if not info.unconditional_update:
                raise errors.invalid(
                    info.kind,
                    name,
                    [
                        {
                            "reason": "FieldValueInvalid",
                            "field": "metadata.resourceVersion",
                            "message": "Invalid value: 0x0: must be specified for an update",
                        }
                    ],
                    group=info.group,
                )
        elif version != present["resourceVersion"]:
            raise errors.conflict(info, name)

    def _prepare(self, obj: Object, current: Object) -> None:
        if self._subresource == "status":
            self._strategy.prepare_for_status_update(obj, current, self._ctx)
        elif self._subresource:
            self._strategy.prepare_for_subresource_update(self._subresource, obj, current, self._ctx)
        else:
            self._strategy.prepare_for_update(obj, current, self._ctx)

    def _errors(self, obj: Object, current: Object) -> list[Any]:
        found = self._errors_of_change(obj, current)
        if found:
            # What another server stored may lack defaults of this one, and setting them is no change of the user's.
            # Upstream sets them whenever it reads.
            completed = copy.deepcopy(current)
            self._strategy.default(completed)
            if completed != current:
                return self._errors_of_change(obj, completed)
        return found

    def _errors_of_change(self, obj: Object, current: Object) -> list[Any]:
        found = metadata.errors_of(obj, self._info, self._strategy) + metadata.update_errors(obj, current)
        if self._subresource == "status":
            return found + self._strategy.validate_status_update(obj, current)
        if self._subresource:
            return found + self._strategy.validate_subresource_update(self._subresource, obj, current)
        return found + self._strategy.validate_update(obj, current)


def _with_revision(obj: Object) -> bytes:
    """An object that goes out without having been stored."""
    return orjson.dumps({**orjson.loads(encode(obj)), "metadata": obj["metadata"]})


def _only_status(obj: Object, current: Object, info: ResourceInfo) -> Object:
    """The present object with the status (and, of metadata, what clients keep there) of another."""
    out = {**current}
    if "status" in obj:
        out["status"] = obj["status"]
    else:
        out.pop("status", None)
    kept = obj["metadata"]
    if info.group:  # upstream's strategies outside the core group keep the labels
        kept = {**kept, "labels": current["metadata"].get("labels")}
        if not kept["labels"]:
            del kept["labels"]
    if info.plural == "pods":
        kept = {key: value for key, value in kept.items() if key != "ownerReferences"}
        if "ownerReferences" in current["metadata"]:
            kept["ownerReferences"] = current["metadata"]["ownerReferences"]
    out["metadata"] = kept
    return out
