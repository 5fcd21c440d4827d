"""The end of a namespace."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.handlers import bodies
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.handlers.update import Update
from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.resources.info import ResourceInfo

Object = dict[str, Any]


async def finalize(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """PUT of namespaces/finalize: only spec.finalizers change. The last one gone ends a namespace to be deleted."""
    renderer = Renderer(request, info)
    given = bodies.decode_object(request, info, request.info.name)
    finalizers = (given.get("spec") or {}).get("finalizers") or []

    def make_new(current: Object) -> Object:
        new = {**current, "metadata": dict(current["metadata"]), "spec": {**(current.get("spec") or {})}}
        if finalizers:
            new["spec"]["finalizers"] = finalizers
        else:
            new["spec"].pop("finalizers", None)
        version = given["metadata"].get("resourceVersion")
        if version:
            new["metadata"]["resourceVersion"] = version
        return new

    return renderer.entry(await Update(parts, request, info, dry_run=bodies.dry_run(request)).run(make_new))
