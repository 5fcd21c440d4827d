"""PATCH by server-side apply."""

from __future__ import annotations

from kprov.kube.api import errors
from kprov.kube.apiserver.fieldmanager import Apply
from kprov.kube.apiserver.fieldmanager.updates import checked_manager
from kprov.kube.apiserver.handlers import bodies
from kprov.kube.apiserver.handlers.conformance import conform
from kprov.kube.apiserver.handlers.create import create_object
from kprov.kube.apiserver.handlers.creation_rights import replace_or_create
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.handlers.update import Update
from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.request_options import wrong_option
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.strategy.base import required


async def apply(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """PATCH with all that its manager wants: what is missing is made, what it no longer wants goes."""
    renderer = Renderer(request, info)
    dry = bodies.dry_run(request)
    change = _read_apply(request, info)

    async def replace() -> Entry:
        update = Update(parts, request, info, dry_run=dry, options_kind="PatchOptions")
        update.records_managers = False  # the apply has done so
        return await update.run(change.to)

    async def create() -> Entry:
        made = change.to_new()
        if uid := made["metadata"].get("uid"):
            told = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise errors.conflict(info, request.info.name, told)
        return await create_object(parts, request, info, made, dry_run=dry, manager=None)

    if request.info.subresource:
        return renderer.entry(await replace())
    entry, created = await replace_or_create(parts, request, replace, create)
    return renderer.entry(entry, 201 if created else 200)


def _read_apply(request: Request, info: ResourceInfo) -> Apply:
    """The apply of a request. Raises ApiError where it is not one."""
    version, query = request.info.api_version, request.query
    manager = query.get("fieldManager", "")
    if not manager:
        raise wrong_option("PatchOptions", required("fieldManager", "is required for apply patch"))
    checked_manager(manager, request.method)
    applied = bodies.decode(request)
    for name in ("apiVersion", "kind"):
        if not applied.get(name):
            raise errors.bad_request(f"error decoding YAML: Object '{name.capitalize()}' is missing")
    if applied["apiVersion"] != info.api_version(version):
        raise errors.bad_request(
            "Incorrect version specified in apply patch. Specified patch version: "
            f"{applied['apiVersion']}, expected: {info.api_version(version)}"
        )
    bodies.check_kind(applied, info, version)
    bodies.check_named(applied, request.info.name)
    bodies.check_place(applied, info, request.info.namespace, request.info.name)
    if applied["metadata"].get("managedFields") is not None:
        raise errors.bad_request("metadata.managedFields must be nil")
    applied = conform(applied, info, version, query.get("fieldValidation", ""), request.warnings)
    return Apply(
        info,
        version,
        applied,
        manager=manager,
        force=request.flag("force"),
        subresource=request.info.subresource,
    )
