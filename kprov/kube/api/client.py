"""The client of the API server that every daemon uses: aiohttp, one pool of connections, upstream's manners.

What may be repeated is repeated: reads after a lost connection, what never reached a server (refused), and what
the server asked to repeat (429 with Retry-After). A write that may have happened is never sent twice: the caller, who
knows what it meant, reads and decides.
"""

from __future__ import annotations

import asyncio
import random
import ssl as ssl_module
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from kprov.kube.api.answers import decoded, error_of, lines, seconds_to_wait
from kprov.kube.api.errors import ApiError
from kprov.kube.api.kinds import Object, Resource
from kprov.kube.api.kubeconfig import Credentials, Material, in_cluster, load_kubeconfig
from kprov.kube.api.sessions import CONNECT_TIMEOUT, Parameters, Sessions

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
_ATTEMPTS = 6


class ApiClient:
    """A connection to the API server.

    Args:
        server: the base URL, as ``https://127.0.0.1:7443``.
        ssl: the TLS context; None for plain http or the system's defaults.
        token: a bearer token.
        credentials: instead of the three above: credentials whose files are watched for changes.
        user_agent: who one says one is, as ``kube-scheduler/v1.32.0``.
        timeout: seconds that one request may take, unless it says otherwise.
    """

    def __init__(
        self,
        server: str = "",
        ssl: ssl_module.SSLContext | None = None,
        token: str = "",
        *,
        credentials: Credentials | None = None,
        user_agent: str = "kprov",
        timeout: float = 30.0,
    ) -> None:
        self.credentials = credentials or Credentials(server.rstrip("/"), Material(), Material(), Material(), token)
        self.user_agent = user_agent
        self.timeout = timeout
        self._sessions = Sessions(self.credentials, ssl, user_agent)

    @classmethod
    def from_kubeconfig(cls, path: str | Path | None, *, user_agent: str, timeout: float = 30.0) -> ApiClient:
        """A client from a kubeconfig, or from the pod's own service account where `path` is empty.

        Raises:
            KubeconfigError: the configuration cannot be used.
        """
        credentials = load_kubeconfig(path) if path else in_cluster()
        credentials.ssl_context()  # a wrong certificate is told at the start, not at the first request
        credentials.changed()
        return cls(credentials=credentials, user_agent=user_agent, timeout=timeout)

    async def close(self) -> None:
        """Close all connections."""
        await self._sessions.close()

    # -- verbs ----------------------------------------------------------------------------------------------------

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """One object. Raises ApiError (404 where it is not there)."""
        return await self.request("GET", resource.path(namespace, name))  # type: ignore[no-any-return]

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        resource_version: str | None = None,
        limit: int | None = None,
        continue_token: str | None = None,
    ) -> Object:
        """The List of the objects that match; `resource_version` "0" takes what the server has cached."""
        parameters: Parameters = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
            "limit": limit,
            "continue": continue_token,
        }
        return await self.request("GET", resource.path(namespace), parameters, timeout=max(self.timeout, 60.0))  # type: ignore[no-any-return]

    async def create(
        self, resource: Resource, obj: Object, namespace: str | None = None, *, dry_run: bool = False
    ) -> Object:
        """Create an object, in `namespace` or its own. Returns it as the server stored it."""
        where = namespace or obj.get("metadata", {}).get("namespace")
        parameters: Parameters = {"dryRun": "All" if dry_run else None}
        return await self.request("POST", resource.path(where), parameters, obj)  # type: ignore[no-any-return]

    async def create_subresource(
        self, resource: Resource, name: str, namespace: str | None, subresource: str, obj: Object
    ) -> Object:
        """POST to an object's subresource: binding, eviction, token."""
        return await self.request("POST", resource.path(namespace, name, subresource), body=obj)  # type: ignore[no-any-return]

    async def update(self, resource: Resource, obj: Object, *, subresource: str | None = None) -> Object:
        """Replace an object; its resourceVersion guards against overwriting another's change (409 Conflict)."""
        metadata = obj["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
        return await self.request("PUT", path, body=obj)  # type: ignore[no-any-return]

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: Any,
        *,
        patch_type: str = "merge",
        subresource: str | None = None,
        field_manager: str | None = None,
        force: bool = False,
    ) -> Object:
        """Change part of an object. `patch_type` is merge, strategic, json or apply (which wants a field manager)."""
        parameters: Parameters = {"fieldManager": field_manager, "force": "true" if force else None}
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, parameters, patch, PATCH_TYPES[patch_type])  # type: ignore[no-any-return]

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        grace_period_seconds: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation_policy: str | None = None,
    ) -> Object:
        """Delete an object; `uid` and `resource_version` are preconditions (409 where they do not hold)."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        if propagation_policy:
            options["propagationPolicy"] = propagation_policy
        conditions = {"uid": uid, "resourceVersion": resource_version}
        if kept := {name: wanted for name, wanted in conditions.items() if wanted}:
            options["preconditions"] = kept
        return await self.request("DELETE", resource.path(namespace, name), body=options)  # type: ignore[no-any-return]

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """The events (``{"type", "object"}``, bookmarks included) after a resource version, until the server ends it.

        Raises:
            ApiError: refused, or an ERROR event (410 where the version is too old).
            aiohttp.ClientError, TimeoutError: the connection was lost or is silent beyond the server's time limit.
        """
        limit = timeout_seconds or random.uniform(300, 600)
        parameters: Parameters = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "timeoutSeconds": max(1, int(limit)),
        }
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=limit + 10)
        async with self._sessions.exchange(
            "GET", resource.path(namespace), parameters, None, None, patience
        ) as response:
            if response.status != 200:
                raise error_of(response, await response.read())
            async for line in lines(response.content):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"])
                yield event

    # -- the wire -------------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        params: Parameters | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> Any:
        """One request, repeated only where that is safe.

        Args:
            method: the HTTP method.
            path: the path below the server's URL.
            params: query parameters; those that are None are left out.
            body: what to send: bytes as they are, anything else as JSON.
            content_type: the body's media type.
            timeout: seconds for each attempt.

        Returns:
            The parsed JSON, or the text where the answer is not JSON.

        Raises:
            ApiError: the server refused.
            aiohttp.ClientError, TimeoutError: no answer; a write may or may not have happened.
        """
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        patience = aiohttp.ClientTimeout(total=timeout or self.timeout, sock_connect=CONNECT_TIMEOUT)
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                async with self._sessions.exchange(method, path, params, data, content_type, patience) as response:
                    raw = await response.read()
                    if response.status < 300:
                        return decoded(response, raw)
                    error = error_of(response, raw)
            except aiohttp.ClientConnectorError:  # never reached a server: safe for every method
                if last:
                    raise
                await asyncio.sleep(_pause(attempt))
                continue
            except aiohttp.ClientConnectionError:
                if last or method != "GET":
                    raise
                await asyncio.sleep(_pause(attempt))
                continue
            wait = seconds_to_wait(response, error, method)
            if wait is None or last:
                raise error
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")


def _pause(attempt: int) -> float:
    return float(min(0.1 * 2**attempt, 2.0) * random.uniform(0.5, 1.5))
