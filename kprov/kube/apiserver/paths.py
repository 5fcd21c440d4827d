"""Paths that are no resources: discovery, schemas, health, metrics, the tokens' issuer."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import metrics
from kprov.kube.api.flags import Flags
from kprov.kube.apiserver import openapi_paths
from kprov.kube.apiserver.aggregation.aggregator import Aggregator
from kprov.kube.apiserver.assembly import Security
from kprov.kube.apiserver.authentication import discovery as openid
from kprov.kube.apiserver.discovery.handler import discovery
from kprov.kube.apiserver.health import Health
from kprov.kube.apiserver.http.message import Answer, Request, Response, json_response
from kprov.kube.apiserver.openapi.service import OpenApi


class Paths:
    """Answers them."""

    def __init__(self, health: Health, security: Security, flags: Flags, address: str, aggregator: Aggregator) -> None:
        self._health = health
        self._security = security
        self._flags = flags
        self._address = address
        self._aggregator = aggregator
        self._openapi = OpenApi(aggregator.schemas.documents)

    async def answer(self, request: Request) -> Answer | None:
        """The answer, or None where nothing is served at a path."""
        if request.method not in ("GET", "HEAD"):
            return None
        path = request.path
        match path.split("/", 2)[1]:
            case "healthz" | "livez" | "readyz":
                return await self._health.answer(request)
            case "metrics":
                if path == "/metrics":
                    return Response(metrics.REGISTRY.render().encode(), 200, metrics.CONTENT_TYPE)
                return None
            case "openapi" if remote := self._aggregator.serving_schemas(path):
                return await self._aggregator.forward(request, remote)
            case "openapi" if path != openid.JWKS_PATH:
                return await openapi_paths.answer(request, self._openapi)
        if path in (openid.CONFIGURATION_PATH, openid.JWKS_PATH):
            return self._openid(path)
        return discovery(request, self._address, self._aggregator.documents)

    def _openid(self, path: str) -> Response | None:
        keys = self._security.verification_keys
        if not keys or not self._flags.service_account_issuer:
            return None
        if path == openid.JWKS_PATH:
            return Response(_dump(openid.jwks(keys)), 200, openid.JWKS_CONTENT_TYPE)
        uri = self._flags.service_account_jwks_uri or f"https://{self._address}{openid.JWKS_PATH}"
        return json_response(openid.openid_configuration(self._flags.service_account_issuer[0], uri, keys))


def _dump(value: Any) -> bytes:
    import orjson

    return orjson.dumps(value)
