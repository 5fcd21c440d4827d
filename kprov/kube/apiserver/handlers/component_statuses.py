"""componentstatuses: deprecated, and still what people type first (``kubectl get cs``)."""

from __future__ import annotations

from typing import Any

import orjson

from kprov.kube.api import errors
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Request, Response
from kprov.kube.apiserver.output.render import Renderer
from kprov.kube.apiserver.resources.info import ResourceInfo
from kprov.kube.apiserver.storage.entry import Entry
from kprov.kube.apiserver.storage.etcd import EtcdError


async def answer(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """The state of etcd: the one component that an API server can vouch for. Others have Leases and health ports."""
    request.warnings.append("v1 ComponentStatus is deprecated in v1.19+")
    try:
        await parts.store.etcd.ready()
        condition: dict[str, Any] = {"type": "Healthy", "status": "True", "message": "ok"}
    except EtcdError as error:
        condition = {"type": "Healthy", "status": "False", "message": str(error)}
    statuses = {
        "etcd-0": {
            "kind": "ComponentStatus",
            "apiVersion": "v1",
            "metadata": {"name": "etcd-0", "creationTimestamp": None},
            "conditions": [condition],
        }
    }
    renderer = Renderer(request, info)
    if request.info.name and request.info.verb == "get":
        if request.info.name not in statuses:
            raise errors.not_found(info, request.info.name)
        return renderer.object(statuses[request.info.name])
    return await renderer.list([Entry(name, 0, orjson.dumps(obj), 0) for name, obj in statuses.items()], {})
