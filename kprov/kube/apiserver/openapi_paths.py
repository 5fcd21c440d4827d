"""GET of /openapi: the schemas, in whichever form and encoding a client reads."""

from __future__ import annotations

import gzip

from kprov.kube.apiserver.http.message import Request, Response, json_response
from kprov.kube.apiserver.openapi.service import Encoded, OpenApi

_PROTOBUF = "application/com.github.proto-openapi.spec.v2"
# The type that clients ask for has an "@" in it, which Go's own parser refuses in an answer: upstream answers so.
_PROTOBUF_ANSWER = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def _response(request: Request, document: Encoded) -> Response:
    content_type = _PROTOBUF_ANSWER if document.content_type.startswith(_PROTOBUF) else document.content_type
    headers = {"ETag": document.etag, "Vary": "Accept, Accept-Encoding"}
    if request.headers.get("If-None-Match", "") == document.etag:
        return Response(b"", 304, content_type, headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return Response(document.gzipped, 200, content_type, {**headers, "Content-Encoding": "gzip"})
    return Response(gzip.decompress(document.gzipped), 200, content_type, headers)


async def answer(request: Request, documents: OpenApi) -> Response | None:
    """The answer to a path below /openapi, or None where there is none."""
    parts = request.path.strip("/").split("/", 2)
    match parts:
        case [_, "v2"]:
            wants_protobuf = _PROTOBUF in request.headers.get("Accept", "")
            return _response(request, await (documents.v2_protobuf() if wants_protobuf else documents.v2_json()))
        case [_, "v3"]:
            return json_response(await documents.v3_index())
        case [_, "v3", path]:
            found = await documents.v3_group(path)
            return None if found is None else _response(request, found)
    return None
