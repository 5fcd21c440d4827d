"""Whether the servers behind APIServices answer: asked again and again, written into their conditions.

Every API server asks for itself, as upstream's do; what they write differs only where what they see does. The question
is the discovery document that such a server must have, and its answer is what discovery here tells of it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.aggregation.api_service import API_SERVICES, AVAILABLE, Remote, remote_of
from kprov.kube.apiserver.aggregation.forwarding import identity
from kprov.kube.apiserver.aggregation.trust import ProxyTLS, Untrusted
from kprov.kube.apiserver.extensions.conditions import with_condition
from kprov.kube.apiserver.request import UserInfo
from kprov.kube.apiserver.services.calling import told
from kprov.kube.apiserver.services.resolving import (
    ENDPOINTS,
    SERVICES,
    ServiceResolver,
    Unresolved,
    authority,
)
from kprov.kube.apiserver.storage.etcd import EtcdError, FateUnknown
from kprov.kube.apiserver.storage.hub import NotFreshInTime
from kprov.kube.apiserver.storage.store import Store

Object = dict[str, Any]
Verdict = tuple[str, str, str]
"""Status, reason and message of a condition."""

_log = logging.getLogger(__name__)
AGGREGATOR = UserInfo("system:kube-aggregator", groups=("system:masters",))
_SECONDS = 5.0  # that a server has to answer
_LARGEST = 16 << 20
_AGAIN = 30.0  # seconds until a server is asked again
_FIRST_PAUSE = 0.1  # the same where it did not answer; doubled each time
_PASSED: Verdict = ("True", "Passed", "all checks passed")


class Asking:
    """Asks other API servers for documents, as one that may read everything.

    Args:
        resolver: finds their Services.
        tls: how they are spoken to.
    """

    def __init__(self, resolver: ServiceResolver, tls: ProxyTLS) -> None:
        self._resolver, self._tls = resolver, tls
        self._session: aiohttp.ClientSession | None = None

    async def get(
        self, remote: Remote, path: str, headers: dict[str, str] | None = None, *, verify: bool = True
    ) -> tuple[int, bytes, str]:
        """GET a path; returns status, body and ETag.

        Raises:
            Unresolved: the Service leads nowhere.
            Untrusted: the certificates cannot be used.
            OSError or aiohttp.ClientError: no answer.
        """
        host, port = self._resolver.resolve(remote.namespace, remote.service, remote.port)
        context = self._tls.context(remote.bundle if verify else "", insecure=remote.insecure or not verify)
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        url = f"https://{authority(host, port)}{path}"
        async with self._session.get(
            url,
            headers=[("Accept", "application/json"), *identity(AGGREGATOR), *(headers or {}).items()],
            ssl=context,
            server_hostname=remote.server_name,
            timeout=aiohttp.ClientTimeout(total=_SECONDS),
            allow_redirects=False,
        ) as answer:
            body = await answer.content.read(_LARGEST)
            while chunk := await answer.content.read(_LARGEST):
                body += chunk
                if len(body) > _LARGEST:
                    raise aiohttp.ClientPayloadError(f"more than {_LARGEST} bytes")
            return answer.status, body, answer.headers.get("ETag", "")

    def place(self, remote: Remote) -> str:
        """The URL of a server's discovery document. Raises Unresolved."""
        host, port = self._resolver.resolve(remote.namespace, remote.service, remote.port)
        return f"https://{authority(host, port)}{remote.path}"

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()


def service_verdict(remote: Remote, service: Object | None, endpoints: Object | None) -> Verdict | None:
    """What is wrong with a Service, before anybody is asked; None where nothing is."""
    place = f'service/{remote.service} in "{remote.namespace}"'
    if service is None:
        return ("False", "ServiceNotFound", f"{place} is not present")
    spec = service.get("spec") or {}
    if spec.get("type", "ClusterIP") != "ClusterIP":
        return None
    port = next((each for each in spec.get("ports") or () if each.get("port") == remote.port), None)
    if port is None:
        return ("False", "ServicePortError", f"{place} is not listening on port {remote.port}")
    if endpoints is None:
        return ("False", "EndpointsNotFound", f"cannot find endpoints for {place}")
    name = port.get("name") or ""
    for subset in endpoints.get("subsets") or ():
        if subset.get("addresses") and any((each.get("name") or "") == name for each in subset.get("ports") or ()):
            return None
    return ("False", "MissingEndpoints", f'endpoints for {place} have no addresses with port name "{name}"')


class Availability:
    """Follows the servers behind all APIServices.

    Args:
        store: APIServices, Services, Endpoints.
        asking: how servers are asked.
        on_document: called with what a server says of itself, whenever it has answered.
    """

    def __init__(self, store: Store, asking: Asking, on_document: Callable[[Remote, Object], Awaitable[None]]) -> None:
        self._store, self._asking, self._on_document = store, asking, on_document
        self._wake: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        store.subscribe(API_SERVICES, self._service_changed)
        for resource in (SERVICES, ENDPOINTS):
            store.subscribe(resource, self._backend_changed)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        if new is None or remote_of(new) is None:
            self._wake.pop(name, None)
            if (task := self._tasks.pop(name, None)) is not None:
                task.cancel()
            return
        if name not in self._tasks:
            self._wake[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._follow(name, self._wake[name]))
        elif old is None or old["spec"] != new["spec"]:
            self._wake[name].set()

    def _backend_changed(self, old: Object | None, new: Object | None) -> None:
        if not self._wake:
            return
        metadata = (new or old or {})["metadata"]
        for name, wake in self._wake.items():
            found = self._remote(name)
            if found and (found.namespace, found.service) == (metadata.get("namespace"), metadata["name"]):
                wake.set()

    def _remote(self, name: str) -> Remote | None:
        found = self._store.cached_get(API_SERVICES, "", name)
        return remote_of(found) if found is not None else None

    async def _follow(self, name: str, wake: asyncio.Event) -> None:
        pause = _FIRST_PAUSE
        while True:
            wake.clear()
            wait = _AGAIN
            try:
                remote = self._remote(name)
                if remote is not None:
                    verdict = await self._judge(remote)
                    await self._write(remote, verdict)
                    if verdict[1] == "FailedDiscoveryCheck":
                        wait, pause = pause, min(pause * 2, _AGAIN)
                    else:
                        pause = _FIRST_PAUSE
            except (ApiError, EtcdError, FateUnknown, NotFreshInTime, TimeoutError) as error:
                _log.warning("APIService %s: %s; trying again", name, error)
                wait = _FIRST_PAUSE
            except Exception:
                _log.exception("APIService %s", name)
            try:
                async with asyncio.timeout(wait):
                    await wake.wait()
                pause = _FIRST_PAUSE
            except TimeoutError:
                pass

    async def _judge(self, remote: Remote) -> Verdict:
        service = self._store.cached_get(SERVICES, remote.namespace, remote.service)
        endpoints = self._store.cached_get(ENDPOINTS, remote.namespace, remote.service)
        if wrong := service_verdict(remote, service, endpoints):
            return wrong
        url = ""
        try:
            url = self._asking.place(remote)
            status, body = await self._ask(remote)
            if not 200 <= status < 300:
                problem = f"bad status from {url}: {status}"
                return ("False", "FailedDiscoveryCheck", f"failing or missing response from {url}: {problem}")
            if body:
                await self._on_document(remote, _object_of(body))
        except Unresolved as error:
            return ("False", "FailedDiscoveryCheck", str(error))
        except (aiohttp.ClientError, OSError, TimeoutError, Untrusted) as error:
            said = "context deadline exceeded" if isinstance(error, TimeoutError) else told(error)
            said = f'failing or missing response from {url}: Get "{url}": {said}'
            return ("False", "FailedDiscoveryCheck", said)
        return _PASSED

    async def _ask(self, remote: Remote) -> tuple[int, bytes]:
        """The status and the discovery document, of one that may be trusted; of others the status alone.

        As upstream has it, a server with a wrong certificate is available (and every request to it fails, saying why):
        who can answer in its place can do no more than that.
        """
        try:
            status, body, _ = await self._asking.get(remote, remote.path)
        except (aiohttp.ClientSSLError, ssl.SSLError, Untrusted):
            status, _, _ = await self._asking.get(remote, remote.path, verify=False)
            return status, b""
        return status, body

    async def _write(self, remote: Remote, verdict: Verdict) -> None:
        def change(current: Object) -> Object | None:
            status = current.get("status") or {}
            wanted = with_condition(status, AVAILABLE, *verdict)
            return None if wanted == status or remote_of(current) is None else {**current, "status": wanted}

        try:
            await self._store.guaranteed_update(API_SERVICES, "", remote.name, change)
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    async def close(self) -> None:
        """Ask no more."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()


def _object_of(body: bytes) -> Object:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
