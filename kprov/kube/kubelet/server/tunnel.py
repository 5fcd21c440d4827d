"""A connection handed on byte by byte: from the API server to the container runtime's streaming server."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

CHUNK = 1 << 16


class Hijacked(web.StreamResponse):
    """The response of a connection that was taken over: everything has been said already."""

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Say nothing."""
        self.force_close()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Say nothing."""


class _Forward:
    """What the server's protocol feeds the client's bytes to, after the upgrade."""

    def __init__(self, writer: asyncio.StreamWriter, client: asyncio.Transport) -> None:
        self._writer, self._client = writer, client

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes from the client."""
        if not self._writer.is_closing():
            self._writer.write(data)
            # a slow far end slows the client down, not the memory up
            if self._writer.transport.get_write_buffer_size() > 4 * CHUNK:
                self._client.pause_reading()
                self._resuming = asyncio.ensure_future(self._resume())
        return False, b""

    async def _resume(self) -> None:
        try:
            await self._writer.drain()
        except ConnectionError:
            return
        if not self._client.is_closing():
            self._client.resume_reading()

    def feed_eof(self) -> None:
        """The client went away."""
        if not self._writer.is_closing():
            if self._writer.can_write_eof():
                self._writer.write_eof()
            else:
                self._writer.close()

    def set_exception(self, exception: BaseException, cause: BaseException | None = None) -> None:
        """The connection broke."""
        self._writer.close()


async def tunnel(request: web.Request, url: str) -> web.StreamResponse:
    """Repeat the request at ``url`` and join the two connections until one ends; raises OSError."""
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port, limit=1 << 18)
    path = target.path + (f"?{target.query}" if target.query else "")
    lines = [f"{request.method} {path} HTTP/1.1".encode(), b"Host: " + target.netloc.encode()]
    dropped = {b"host", b"authorization", b"origin"}
    lines += [name + b": " + value for name, value in request.raw_headers if name.lower() not in dropped]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
    client = request.transport
    if client is None:
        writer.close()
        return Hijacked()
    request.protocol.set_parser(_Forward(writer, client))  # type: ignore[arg-type]
    try:
        while data := await reader.read(CHUNK):
            if client.is_closing():
                break
            client.write(data)
            await _drained(request, client)
    except ConnectionError:
        pass
    finally:
        writer.close()
        if not client.is_closing():
            client.close()
    return Hijacked()


async def _drained(request: web.Request, client: asyncio.Transport) -> None:
    if client.get_write_buffer_size() > CHUNK:
        helper = getattr(request.protocol, "_drain_helper", None)
        if helper is not None:
            await helper()
