"""Requests passed on to another API server, with the user that this one has authenticated in their headers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from kprov.kube.apiserver.aggregation.api_service import Remote
from kprov.kube.apiserver.aggregation.trust import ProxyTLS, Untrusted
from kprov.kube.apiserver.http.message import Answer, BrokenOff, Request, Response, Stream, Tunnel
from kprov.kube.apiserver.kubelet.forward import tunnel
from kprov.kube.apiserver.request import UserInfo
from kprov.kube.apiserver.services.calling import told
from kprov.kube.apiserver.services.resolving import ServiceResolver, Unresolved, authority

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 10.0
_DISCOVERY_SECONDS = 5.0
_WHOLE = 1 << 20  # bytes up to which an answer is read before it is passed on
# Of one connection, or about who the client is: never passed on.
_KEPT_BACK = frozenset({"host", "authorization", "connection", "keep-alive", "proxy-authenticate",
                        "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
                        "content-length", "x-forwarded-for"})  # fmt: skip
_OWN_HEADERS = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "trailer", "upgrade",
                          "content-type"})  # fmt: skip


def identity(user: UserInfo) -> Iterator[tuple[str, str]]:
    """The headers by which a front proxy tells who a user is."""
    yield "X-Remote-User", user.name
    if user.uid:
        yield "X-Remote-Uid", user.uid
    for group in user.groups:
        yield "X-Remote-Group", group
    for name, values in user.extra.items():
        for value in values:
            yield f"X-Remote-Extra-{quote(name, safe='')}", value


def _plain(text: str, status: int) -> Response:
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(f"{text}\n".encode(), status, "text/plain; charset=utf-8", headers)


def unavailable(text: str = "service unavailable") -> Response:
    """What a client is told where the other server is not to be had."""
    return _plain(text, 503)


class Forwarder:
    """Passes requests on; connections are kept for the next one.

    Args:
        resolver: finds the other servers' Services.
        tls: how they are spoken to.
    """

    def __init__(self, resolver: ServiceResolver, tls: ProxyTLS) -> None:
        self._resolver = resolver
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def forward(self, request: Request, remote: Remote) -> Answer:
        """The other server's answer, as it comes; 503 in plain text where there is none."""
        if not remote.available:
            return unavailable()
        try:
            context = self._tls.context(remote.bundle, insecure=remote.insecure)
            host, port = self._resolver.resolve(remote.namespace, remote.service, remote.port)
        except Untrusted as error:
            return _plain(str(error), 500)
        except Unresolved as error:
            _log.warning("error resolving %s/%s: %s", remote.namespace, remote.service, error)
            return unavailable()
        who = list(identity(request.user))
        if any(ord(letter) < 32 for header in who for part in header for letter in part):
            return _plain("the user's name cannot be told in a header", 500)
        if "upgrade" in request.headers.get("Connection", "").lower():
            return self._upgrade(request, remote, host, port, context, who)
        headers = [*self._headers(request), *who]
        try:
            answer = await self._send(request, remote, host, port, context, headers)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            said = "context deadline exceeded" if isinstance(error, TimeoutError) else told(error)
            _log.warning("error while proxying %s to %s: %s", request.path, remote.name, said)
            return unavailable(said)
        return await self._answer(request, answer)

    @staticmethod
    def _headers(request: Request) -> Iterator[tuple[str, str]]:
        for name, value in request.headers.items():
            lowered = name.lower()
            if lowered not in _KEPT_BACK and not lowered.startswith(("impersonate-", "x-remote-")):
                yield name, value
        before = request.headers.get("X-Forwarded-For", "")
        yield "X-Forwarded-For", f"{before}, {request.remote}" if before else request.remote

    @staticmethod
    def _upgrade(
        request: Request, remote: Remote, host: str, port: int, context: object, who: list[tuple[str, str]]
    ) -> Tunnel:
        made = tunnel(
            request, host, port, context, request.raw_path,
            server_name=remote.server_name, authority=authority(host, port), more=who,
        )  # fmt: skip
        made.unreachable = unavailable
        return made

    async def _send(
        self, request: Request, remote: Remote, host: str, port: int, context: object, headers: list[tuple[str, str]]
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0, use_dns_cache=False),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        is_discovery = len([part for part in request.path.split("/") if part]) <= 3
        async with asyncio.timeout(_DISCOVERY_SECONDS if is_discovery else None):
            return await self._session.request(
                request.method,
                URL(f"https://{authority(host, port)}{request.raw_path}", encoded=True),
                headers=headers,
                data=request.body or None,
                ssl=context,  # type: ignore[arg-type]
                server_hostname=remote.server_name,
                allow_redirects=False,
            )

    @staticmethod
    async def _answer(request: Request, answer: aiohttp.ClientResponse) -> Answer:
        headers: CIMultiDict[str] = CIMultiDict()  # as they came: cookies can't be joined into one header
        for name, value in answer.headers.items():
            if name.lower() not in _OWN_HEADERS:
                headers.add(name, value)
        kind = answer.headers.get("Content-Type", "")
        length = answer.content_length
        if request.method == "HEAD" or answer.status in (204, 304) or (length is not None and length <= _WHOLE):
            try:
                return Response(await answer.read(), answer.status, kind, headers)
            except aiohttp.ClientError as error:
                return unavailable(str(error))
        return Stream(_Chunks(answer), answer.status, kind or "application/octet-stream", headers)

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()


class _Chunks:
    """A body as it comes, a watch's events at once; closed with the connection that it came over."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._answer.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenOff(str(error)) from None
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """What was read to its end gives its connection back; of anything else the rest is not wanted."""
        if self._answer.content.is_eof():
            self._answer.release()
        else:
            self._answer.close()
