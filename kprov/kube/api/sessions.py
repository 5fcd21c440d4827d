"""The connections of an API client: one pool, made anew when its credentials' files change."""

from __future__ import annotations

import contextlib
import socket
import ssl as ssl_module
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from kprov.kube.api.kubeconfig import Credentials
from kprov.kube.api.metrics import REGISTRY

CONNECT_TIMEOUT = 5.0

_REQUESTS = REGISTRY.counter(
    "rest_client_requests_total",
    "Number of HTTP requests, partitioned by status code, method, and host.",
    ("code", "method", "host"),
)
_REQUEST_SECONDS = REGISTRY.histogram(
    "rest_client_request_duration_seconds",
    "Request latency in seconds. Broken down by verb, and host.",
    ("verb", "host"),
    (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0),
)

Parameters = Mapping[str, str | int | bool | None]


def _socket(address: Any) -> socket.socket:
    """A socket that notices a dead peer within about ten seconds, whether or not there is something to send."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    if family in (socket.AF_INET, socket.AF_INET6):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 4)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 10_000)
    return made


class Sessions:
    """The session of the moment, and those before it that still answer somebody.

    Args:
        credentials: who one is; a change of their files makes a new session, with new connections.
        ssl: the TLS context, in place of what the credentials say.
        user_agent: who one says one is.
    """

    def __init__(self, credentials: Credentials, ssl: ssl_module.SSLContext | None, user_agent: str) -> None:
        self._credentials, self._given_ssl, self._user_agent = credentials, ssl, user_agent
        self._session: aiohttp.ClientSession | None = None
        self._retired: set[aiohttp.ClientSession] = set()
        self._in_flight: dict[aiohttp.ClientSession, int] = {}

    async def close(self) -> None:
        """Close all connections."""
        for session in (self._session, *self._retired):
            if session:
                await session.close()
        self._session = None
        self._retired.clear()

    @contextlib.asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        params: Parameters | None,
        data: bytes | None,
        content_type: str | None,
        patience: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request; its answer is open for as long as the block lasts."""
        session = await self._current()
        headers = {"Accept": "application/json"}
        if data is not None and content_type:
            headers["Content-Type"] = content_type
        if bearer := self._credentials.bearer():
            headers["Authorization"] = f"Bearer {bearer}"
        query = {name: str(given) for name, given in (params or {}).items() if given is not None}
        self._in_flight[session] = self._in_flight.get(session, 0) + 1
        server = self._credentials.server
        host, code, began = server.partition("://")[2], "<error>", time.monotonic()
        try:
            async with session.request(
                method,
                server + path,
                params=query,
                data=data,
                headers=headers,
                timeout=patience,
                server_hostname=self._credentials.server_name,
                allow_redirects=False,
            ) as response:
                code = str(response.status)
                _REQUESTS.inc(code, method, host)
                _REQUEST_SECONDS.observe(time.monotonic() - began, method, host)
                yield response
        finally:
            if code == "<error>":  # client-go's word for what got no answer
                _REQUESTS.inc(code, method, host)
            self._in_flight[session] -= 1
            if session in self._retired and not self._in_flight[session]:
                self._retired.discard(session)
                await session.close()

    async def _current(self) -> aiohttp.ClientSession:
        """The session of the moment; a new one, with new connections, after the credentials' files changed."""
        if self._session and not self._session.closed and not self._credentials.changed():
            return self._session
        context = self._given_ssl or self._credentials.ssl_context()
        if old := self._session:
            if self._in_flight.get(old):
                self._retired.add(old)
            else:
                await old.close()
        connector = aiohttp.TCPConnector(
            ssl=context if context is not None else True,
            limit=0,
            keepalive_timeout=20.0,  # shorter than any server's, so that a reused connection is seldom a dead one
            socket_factory=_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": self._user_agent},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            read_bufsize=2**18,
        )
        # aiohttp would repeat PUT and DELETE on a connection that broke after sending: a write that may have happened
        self._session._retry_connection = False
        return self._session
