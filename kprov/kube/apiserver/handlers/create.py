"""POST: new objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission.attributes import CREATE, AdmissionAttributes
from kprov.kube.apiserver.fieldmanager import manager_of, record_update
from kprov.kube.apiserver.handlers import bodies, metadata
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.storage.encoding import encode
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.strategy import StrategyContext, strategy_of
from kprov.kube.apiserver.strategy.base import FieldError

Object = dict[str, Any]
_NAME_ATTEMPTS = 8


def refuse(info: ResourceInfo, name: str, found: list[FieldError]) -> None:
    """Raise ApiError (422) where anything was found."""
    if found:
        raise errors.invalid(info.kind, name, [error.cause() for error in found], group=info.group)


def event_ttl(parts: Parts, info: ResourceInfo) -> int:
    """How long objects of a kind are kept, in seconds; 0 for ever."""
    return int(parts.options.event_ttl) if info.storage_prefix == "events" else 0


async def create(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """Create what the body holds."""
    renderer = Renderer(request, info)
    if info.namespaced and not request.info.namespace:
        raise errors.method_not_supported(info, "POST")
    obj = bodies.decode_object(request, info)
    entry = await create_object(parts, request, info, obj, dry_run=bodies.dry_run(request))
    return renderer.entry(entry, 201)


async def create_object(
    parts: Parts,
    request: Request,
    info: ResourceInfo,
    obj: Object,
    *,
    dry_run: bool,
    manager: Callable[[Request], str] | None = manager_of,
) -> Entry:
    """Everything between decoding and answering, for whatever request creates an object.

    ``manager`` tells whose its fields are; None where the object says so already.
    """
    version = str(obj["metadata"].get("resourceVersion") or "")
    if version.isascii() and version.isdigit() and version.strip("0"):  # upstream overlooks what is no number
        raise errors.bad_request("resourceVersion should not be set on objects to be created")
    strategy = strategy_of(info.group, info.plural)
    ctx = StrategyContext(
        request.user, info, request.info.api_version, request.info.namespace, dry_run=dry_run, warnings=request.warnings
    )
    strategy.default(obj)
    attempts = _NAME_ATTEMPTS if obj["metadata"].get("generateName") and not obj["metadata"].get("name") else 1
    metadata.generate_name(obj["metadata"])
    if manager is not None:
        record_update(obj, None, info, manager=manager(request), version=request.info.api_version)
    attrs = AdmissionAttributes(
        user=request.user,
        operation=CREATE,
        resource_info=info,
        version=request.info.api_version,
        namespace=request.info.namespace,
        name=obj["metadata"].get("name", ""),
        obj=obj,
        options={"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", **({"dryRun": ["All"]} if dry_run else {})},
        dry_run=dry_run,
        warnings=request.warnings,
        audit=request.audit,
    )
    await parts.admission.mutate(attrs)
    obj = attrs.obj or obj
    metadata.fill_for_create(obj, info)
    if info.has_status and not info.status_on_create:
        obj.pop("status", None)
    strategy.prepare_for_create(obj, ctx)
    name = obj["metadata"].get("name") or ""
    refuse(info, name, metadata.errors_of(obj, info, strategy) + strategy.validate(obj))
    attrs.obj = obj
    await parts.admission.validate(attrs)
    request.warnings.extend(strategy.warnings(obj))
    allocation = None
    if info.key == ("", "services") and parts.allocation is not None:
        allocation = await parts.allocation.allocate(obj, None, dry_run)
    if dry_run:
        cache = await parts.store.loaded(info)
        if (f"{obj['metadata']['namespace']}/{name}" if info.namespaced else name) in cache.entries:
            raise errors.already_exists(info, name)
        return Entry("", 0, encode(obj), 0)
    stored = await parts.conversion.stored(info, obj)
    try:
        while True:
            attempts -= 1
            try:
                entry = await parts.store.create_entry(info, stored, ttl_seconds=event_ttl(parts, info))
                break
            except ApiError as error:
                if error.reason != "AlreadyExists" or not attempts:
                    raise
                stored["metadata"].pop("name")
                metadata.generate_name(stored["metadata"])
    except ApiError:
        if allocation is not None:
            await allocation.undo()
        raise
    return await parts.conversion.entry(info, entry, request.info.api_version)
