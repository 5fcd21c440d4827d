"""PUT: an object takes another one's place."""

from __future__ import annotations

from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.handlers import bodies
from kprov.kube.apiserver.handlers.create import create_object
from kprov.kube.apiserver.handlers.creation_rights import replace_or_create
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.handlers.update import Update
from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.storage.encoding import encode
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.versions import from_storage

Object = dict[str, Any]


async def put(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """PUT: replace what may be replaced."""
    renderer = Renderer(request, info)
    obj = bodies.decode_object(request, info, request.info.name, _known(parts, request, info))
    dry = bodies.dry_run(request)
    encoded = encode({**obj, "metadata": obj["metadata"]})
    version = obj["metadata"].get("resourceVersion")

    async def replace() -> Entry:
        return await Update(parts, request, info, dry_run=dry).run(lambda current: _copy(encoded, version))

    async def create() -> Entry:
        if uid := obj["metadata"].get("uid"):
            told = f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
            raise errors.conflict(info, request.info.name, told)
        return await create_object(parts, request, info, _copy(encoded, version), dry_run=dry)

    if not info.create_on_update or request.info.subresource:
        return renderer.entry(await replace())
    entry, created = await replace_or_create(parts, request, replace, create)
    return renderer.entry(entry, 201 if created else 200)


def _known(parts: Parts, request: Request, info: ResourceInfo) -> Object | None:
    """The object as the cache has it, in the version that the client speaks, if it is there."""
    if kinds.find(*info.key) is not None:
        return None
    namespace = request.info.namespace if info.namespaced else ""
    found = parts.store.cached(info, namespace, request.info.name)
    return from_storage(info, request.info.api_version, found.object()) if found else None


def _copy(encoded: bytes, version: str | None) -> Object:
    obj: Object = orjson.loads(encoded)
    if version:
        obj["metadata"]["resourceVersion"] = version
    return obj
