"""Which permission each path of the node's API asks for, and whether the caller has it."""

from __future__ import annotations

from aiohttp import web

from kprov.kube.api.client import ApiClient
from kprov.kube.api.delegated_auth import DelegatedAuthenticator, DelegatedAuthorizer
from kprov.kube.api.trusted_clients import TrustedClients
from kprov.kube.kubelet.api_failures import API_FAILURES
from kprov.kube.kubelet.config import KubeletConfig

VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def subresource(path: str) -> str:
    """Which subresource of the node a path is guarded by, as upstream maps it."""
    for prefix, name in (("/stats", "stats"), ("/metrics", "metrics"), ("/logs", "log"), ("/checkpoint", "checkpoint")):
        if path == prefix or path.startswith(prefix + "/"):
            return name
    return "proxy"


class Access:
    """Decides on requests to this node."""

    def __init__(self, client: ApiClient, config: KubeletConfig, node: str) -> None:
        """Ask the API with ``client`` about the node named ``node``."""
        self._config, self._node = config, node
        self.clients = TrustedClients(config.client_ca_file) if config.client_ca_file else None
        self._authenticator = DelegatedAuthenticator(
            client if config.webhook_authentication else None,
            anonymous=config.anonymous,
            cache_seconds=config.webhook_authentication_ttl,
            clients=self.clients,
        )
        self._authorizer = DelegatedAuthorizer(
            client, allowed_seconds=config.authorized_ttl, denied_seconds=config.unauthorized_ttl
        )

    async def refusal(self, request: web.BaseRequest) -> web.Response | None:
        """The answer to somebody who may not, or None."""
        try:
            user = await self._authenticator.authenticate(request.headers, request.transport)
            if user is None:
                return web.Response(status=401, text="Unauthorized")
            if self._config.authorization_mode == "AlwaysAllow":
                return None
            verb, part = VERBS.get(request.method, request.method.lower()), subresource(request.path)
            allowed = await self._authorizer.allows(
                user,
                resourceAttributes={
                    "verb": verb,
                    "group": "",
                    "version": "v1",
                    "resource": "nodes",
                    "subresource": part,
                    "name": self._node,
                },
            )
        except API_FAILURES as failure:
            return web.Response(status=500, text=f"Authorization error: {failure or type(failure).__name__}")
        if allowed:
            return None
        return web.Response(
            status=403, text=f"Forbidden (user={user.name}, verb={verb}, resource=nodes, subresource={part})"
        )
