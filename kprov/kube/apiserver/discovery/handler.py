"""GET of discovery paths, /version and the service accounts' issuer."""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import orjson

import kprov
from kprov import __version__
from kprov.kube.apiserver.http.message import Request, Response, json_response

MAJOR, MINOR = 1, 32
_AGGREGATED = "APIGroupDiscoveryList"


@cache
def _source_digest() -> str:
    """What tells one build from another: a digest of kprov's own source, as upstream's commit does."""
    found = hashlib.sha1(usedforsecurity=False)
    root = Path(kprov.__file__).parent
    for path in sorted((root / "kube").rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def version() -> dict[str, Any]:
    """The document at /version."""
    return {
        "major": str(MAJOR),
        "minor": str(MINOR),
        "gitVersion": f"v{MAJOR}.{MINOR}.0+kprov.{__version__}",
        "gitCommit": _source_digest(),
        "gitTreeState": "archive",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": sys.implementation.name,
        "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }",
    }


def _wants_aggregated(accept: str) -> str:
    """The version of the aggregated form, if it comes before any other that is known."""
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        if media == "application/json":
            if given.get("as") == _AGGREGATED and given.get("v") in ("v2", "v2beta1"):
                return str(given["v"])
            if "as" not in given:
                return ""
    return ""


class Documents(Protocol):
    """Who writes the documents: documents.py for this server alone."""

    def api_versions(self, address: str) -> dict[str, Any]:
        """/api."""

    def group_list(self) -> dict[str, Any]:
        """/apis."""

    def api_group(self, group: str) -> dict[str, Any] | None:
        """/apis/GROUP."""

    def resource_list(self, group: str, version: str) -> dict[str, Any] | None:
        """/apis/GROUP/VERSION."""

    def aggregated(self, prefix: str, version: str) -> dict[str, Any]:
        """/api or /apis, whole."""


def _aggregated(request: Request, prefix: str, documents: Documents) -> Response | None:
    wanted = _wants_aggregated(request.headers.get("Accept", ""))
    if not wanted:
        return None
    body = orjson.dumps(documents.aggregated(prefix, wanted))
    tag = f'"{hashlib.sha256(body).hexdigest().upper()}"'
    headers = {"ETag": tag, "Vary": "Accept"}
    content_type = f"application/json;g=apidiscovery.k8s.io;v={wanted};as={_AGGREGATED}"
    if request.headers.get("If-None-Match", "") == tag:
        return Response(b"", 304, content_type, headers)
    return Response(body, 200, content_type, headers)


def discovery(request: Request, address: str, documents: Documents) -> Response | None:
    """The answer to a discovery path, or None where the path is none."""
    parts = [part for part in request.path.split("/") if part]
    found: Any = None
    match parts:
        case ["version"]:
            found = version()
        case ["api"]:
            aggregated = _aggregated(request, "api", documents)
            if aggregated is not None:
                return aggregated
            found = documents.api_versions(address)
        case ["apis"]:
            aggregated = _aggregated(request, "apis", documents)
            if aggregated is not None:
                return aggregated
            found = documents.group_list()
        case ["api", each]:
            found = documents.resource_list("", each)
        case ["apis", group]:
            found = documents.api_group(group)
        case ["apis", group, each]:
            found = documents.resource_list(group, each) if group else None
        case []:
            found = {"paths": _paths()}
    return json_response(found) if found is not None else None


def _paths() -> list[str]:
    from kprov.kube.apiserver.resources import GROUPS

    paths = ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
    for group, versions in GROUPS.items():
        paths += [f"/apis/{group}/{each}" if group else f"/api/{each}" for each in versions]
        if group:
            paths.append(f"/apis/{group}")
    return sorted(paths)
