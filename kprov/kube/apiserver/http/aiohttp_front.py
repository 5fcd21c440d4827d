"""Carries requests and responses over aiohttp's server."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from kprov.kube.api import errors
from kprov.kube.api.peer import peer_certificate, peer_chain
from kprov.kube.apiserver.http import tunnel
from kprov.kube.apiserver.http.message import Answer, BrokenOff, Request, Response, Stream, Tunnel, json_response
from kprov.kube.apiserver.http.whole import whole
from kprov.kube.apiserver.request import UserInfo, parse_request_info

_log = logging.getLogger(__name__)
MAX_BODY = 3 << 20
_AT_ONCE = 256 << 10
_NOBODY = UserInfo("")

Handler = Callable[[Request], Awaitable[Answer]]


class _Taken(web.StreamResponse):
    """Stands for a response that was sent by other means: aiohttp must write nothing more."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class _Outlet:
    """Writes past aiohttp, whose headers are sent by then, what has the form that aiohttp would give it."""

    __slots__ = ("_protocol", "_transport", "_writer")

    def __init__(self, writer: AbstractStreamWriter, protocol: web.RequestHandler, transport: Any) -> None:
        self._writer, self._protocol, self._transport = writer, protocol, transport

    def send(self, frame: bytes) -> bool:
        if self._transport.is_closing():
            return False
        self._transport.write(frame)
        return not self._protocol.writing_paused

    async def drain(self) -> None:
        await self._writer.drain()


class AiohttpFront:
    """Listens, and passes each request to a handler."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        """Listen. Raises OSError where the address cannot be had."""
        loop = asyncio.get_running_loop()

        def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)

        server = web.Server(
            self._handle,
            handler_cancellation=True,
            request_factory=make_request,
            access_log=None,
            keepalive_timeout=120.0,
            max_line_size=65_536,
            max_field_size=65_536,
        )
        self._runner = web.ServerRunner(server)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=context, backlog=1024, reuse_address=True).start()

    async def stop(self) -> None:
        """Close the connections that are left."""
        if self._runner is not None:
            self._runner._shutdown_timeout = 1.0  # in-flight requests were waited for already
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        url = request.rel_url
        try:
            body = await request.read() if request.can_read_body else b""
        except web.HTTPRequestEntityTooLarge:
            return self._plain(
                json_response(errors.too_large(f"limit is {MAX_BODY}").status, 413), request.version >= (1, 1)
            )
        answer = await self._handler(
            Request(
                method=request.method,
                path=url.path,
                raw_path=request.raw_path,
                query=url.query,
                headers=request.headers,
                body=body,
                peer_cert=peer_certificate(request.transport),
                peer_chain=partial(peer_chain, request.transport),
                remote=request.remote or "",
                user=_NOBODY,
                info=parse_request_info(request.method, url.path, url.query),
            )
        )
        if isinstance(answer, Response):
            if answer.pieces and request.method != "HEAD":
                return await self._in_pieces(request, answer)
            answer.whole()
            return whole(request, answer) or self._plain(answer, True)
        try:
            if isinstance(answer, Stream):
                return await self._stream(request, answer)
            return await self._tunnel(request, answer)
        finally:
            if answer.ended is not None:
                answer.ended()

    @staticmethod
    def _plain(answer: Response, keep_alive: bool) -> web.Response:
        response = web.Response(body=answer.body, status=answer.status, headers=answer.headers)
        if answer.content_type:
            response.headers["Content-Type"] = answer.content_type
        if not keep_alive:
            response.force_close()
        return response

    @staticmethod
    async def _in_pieces(request: web.BaseRequest, answer: Response) -> web.StreamResponse:
        """Send a large body as the client reads it: what it has not read yet is not copied for it."""
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = sum(map(len, answer.pieces))
        response.headers["Content-Type"] = answer.content_type
        try:
            await response.prepare(request)
            some, size = [], 0
            for piece in answer.pieces:
                some.append(piece)
                size += len(piece)
                if size >= _AT_ONCE:
                    await response.write(b"".join(some))
                    some, size = [], 0
            await response.write_eof(b"".join(some))
        except ConnectionError:
            pass  # the client went away
        return response

    @staticmethod
    async def _stream(request: web.BaseRequest, answer: Stream) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.headers["Content-Type"] = answer.content_type
        response.enable_chunked_encoding()
        try:
            writer = await response.prepare(request)
            if answer.take_outlet is not None and writer is not None and request.transport is not None:
                answer.take_outlet(_Outlet(writer, request.protocol, request.transport))
            async for chunk in answer.chunks:
                await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            pass  # the client went away
        except BrokenOff as error:
            _log.info("the answer to %s broke off: %s", request.path, error)
            if request.transport is not None:
                request.transport.abort()
        finally:
            close = getattr(answer.chunks, "aclose", None)
            if close is not None:
                await close()
        return response

    @staticmethod
    async def _tunnel(request: web.BaseRequest, answer: Tunnel) -> web.StreamResponse:
        protocol, transport = request.protocol, request.transport
        if transport is None:
            return _Taken()
        try:
            await tunnel.run(answer, protocol, transport)
        except (OSError, TimeoutError) as error:
            _log.info("%s:%d cannot be reached for %s: %s", answer.host, answer.port, request.path, error)
            if answer.unreachable is not None:
                plain = answer.unreachable(str(error) or "connection timed out")
            else:
                plain = json_response(errors.internal(f"error dialing backend: {error}").status, 500)
            phrase = HTTPStatus(plain.status).phrase
            transport.write(
                b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
                % (plain.status, phrase.encode(), plain.content_type.encode(), len(plain.body), plain.body)
            )
        protocol.force_close()
        transport.close()
        return _Taken()
