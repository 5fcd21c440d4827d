"""Requests to pods, services and nodes by way of the API server, as the proxy of a web site passes them on."""

from __future__ import annotations

import ssl
import zlib

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from kprov.kube.api import errors
from kprov.kube.apiserver.http.message import Answer, BrokenOff, Request, Response, Stream
from kprov.kube.apiserver.kubelet.links import rewritten, through_proxy

_CONNECT_SECONDS = 10.0
_LARGEST_PAGE = 4 << 20  # pages beyond are passed on as they are: they are read whole to be rewritten
# Of one connection, or about who the client is.
_KEPT_BACK = frozenset(
    {"host", "authorization", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
     "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "x-forwarded-for"}
)  # fmt: skip
_NOT_PASSED_BACK = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "trailer", "upgrade", "content-type"}
)


def _headers(request: Request, prefix: str, path: str) -> list[tuple[str, str]]:
    headers = [
        (name, value)
        for name, value in request.headers.items()
        if name.lower() not in _KEPT_BACK and not name.lower().startswith(("impersonate-", "x-remote-"))
    ]
    before = request.headers.get("X-Forwarded-For", "")
    headers.append(("X-Forwarded-For", f"{before}, {request.remote}" if before else request.remote))
    headers.append(("X-Forwarded-Uri", prefix + path.partition("?")[0]))
    return headers


async def web_answer(
    request: Request, authority: str, tls: ssl.SSLContext | None, path: str, host: str | None = None
) -> Answer:
    """Another server's answer to a request, with links and redirections that lead through this proxy.

    Args:
        request: the client's; the user's credentials in it are kept back.
        authority: the other server's address and port.
        tls: how to speak to it, or nothing for plain HTTP.
        path: what to ask it for, with the query; nothing before the query where the client left out the last slash.
        host: the name in its certificate, where that is not the address.

    Raises:
        ApiError: 503, it cannot be reached.
    """
    own_path, _, query = request.raw_path.partition("?")
    if not path.partition("?")[0]:
        # Relative links of the page would miss the proxy.
        where = f"{own_path}/" + (f"?{query}" if query else "")
        return Response(b"", 301, "", {"Location": where})
    prefix = own_path[: len(own_path) - len(path.partition("?")[0])]
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, use_dns_cache=False),
        trust_env=False,
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    try:
        answer = await session.request(
            request.method,
            URL(f"{'https' if tls else 'http'}://{authority}{path}", encoded=True),
            headers=_headers(request, prefix, path),
            data=request.body or None,
            ssl=tls if tls is not None else True,
            server_hostname=host if tls is not None else None,
            allow_redirects=False,
        )
        hosts = frozenset((authority, request.headers.get("Host", "")))
        return await _passed_back(session, answer, prefix, hosts)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        await session.close()
        raise errors.service_unavailable(f"error trying to reach service: {error or 'connection timed out'}") from error
    except BaseException:
        await session.close()
        raise


async def _passed_back(
    session: aiohttp.ClientSession, answer: aiohttp.ClientResponse, prefix: str, hosts: frozenset[str]
) -> Stream:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in answer.headers.items():
        lowered = name.lower()
        if lowered not in _NOT_PASSED_BACK and not lowered.startswith("access-control-"):
            headers.add(name, value)
    kind = answer.headers.get("Content-Type", "")
    first = b""
    if "Location" in headers:
        headers["Location"] = through_proxy(headers["Location"], prefix, hosts)
    elif kind.partition(";")[0].strip().lower() == "text/html":
        first = await _page(answer, headers.get("Content-Encoding", ""), prefix, hosts)
    return Stream(_Body(session, answer, first), answer.status, kind or "application/octet-stream", headers)


async def _page(answer: aiohttp.ClientResponse, encoding: str, prefix: str, hosts: frozenset[str]) -> bytes:
    """A page with its links rewritten, or as much as was read of one that cannot be."""
    read = bytearray()
    while len(read) <= _LARGEST_PAGE and (chunk := await answer.content.readany()):
        read += chunk
    raw = bytes(read)
    if len(raw) > _LARGEST_PAGE or encoding not in ("", "identity", "gzip"):
        return raw
    plain = raw
    if encoding == "gzip":
        opened = zlib.decompressobj(wbits=31)
        try:
            plain = opened.decompress(raw, _LARGEST_PAGE)
        except zlib.error:
            return raw
        if not opened.eof:  # cut off, or larger than a page should be
            return raw
    page = plain.decode("utf-8", "surrogateescape")
    changed = rewritten(page, lambda link: through_proxy(link, prefix, hosts))
    if changed == page:
        return raw
    plain = changed.encode("utf-8", "surrogateescape")
    if encoding != "gzip":
        return plain
    packer = zlib.compressobj(wbits=31)
    return packer.compress(plain) + packer.flush()


class _Body:
    """What is left of an answer, as it comes; the connection is closed with it."""

    def __init__(self, session: aiohttp.ClientSession, answer: aiohttp.ClientResponse, first: bytes) -> None:
        self._session, self._answer, self._first = session, answer, first

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        chunk, self._first = self._first, b""
        try:
            chunk = chunk or await self._answer.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenOff(str(error)) from None
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Also what the client no longer waits for is not read any further."""
        self._answer.close()
        await self._session.close()
