"""GET of /openapi/v2 and /openapi/v3."""

from __future__ import annotations

import gzip

from kprov.kube.apiserver.http.message import Request, Response, json_response
from kprov.kube.apiserver.openapi.service import Encoded, OpenApi

_SERVICE = OpenApi()


def _answer(request: Request, document: Encoded) -> Response:
    headers = {"ETag": document.etag, "Vary": "Accept, Accept-Encoding"}
    if request.headers.get("If-None-Match", "") == document.etag:
        return Response(b"", 304, document.content_type, headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return Response(document.gzipped, 200, document.content_type, {**headers, "Content-Encoding": "gzip"})
    return Response(gzip.decompress(document.gzipped), 200, document.content_type, headers)


async def openapi(request: Request) -> Response | None:
    """The answer, or None where nothing is served at a path."""
    path = request.path.rstrip("/")
    if path == "/openapi/v2":
        wants_protobuf = "proto-openapi.spec.v2" in request.headers.get("Accept", "")
        document = await (_SERVICE.v2_protobuf() if wants_protobuf else _SERVICE.v2_json())
        return _answer(request, document)
    if path == "/openapi/v3":
        return json_response(await _SERVICE.v3_index())
    if path.startswith("/openapi/v3/"):
        found = await _SERVICE.v3_group(path.removeprefix("/openapi/v3/"))
        return _answer(request, found) if found else None
    return None
