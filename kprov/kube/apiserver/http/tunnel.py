"""Hands a client's connection over to another server, byte by byte, both ways."""

from __future__ import annotations

import asyncio
from typing import Any

from kprov.kube.apiserver.http.message import Tunnel

_CONNECT_SECONDS = 10.0


class _Backend(asyncio.Protocol):
    """The connection to the other server: what arrives goes to the client."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client
        self.transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.answered = True
        self._client.write(data)
        # A client that does not read must not make this process hold what the other side sends.
        if self._client.get_write_buffer_size() > 1 << 20 and self.transport is not None:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(0.02, self._resume)

    def _resume(self) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self._client.get_write_buffer_size() > 1 << 20 and not self._client.is_closing():
            asyncio.get_running_loop().call_later(0.02, self._resume)
        else:
            self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


class _FromClient:
    """What aiohttp calls a parser: gets the client's bytes once the connection is ours."""

    def __init__(self) -> None:
        self._early: list[bytes] = []
        self._to: asyncio.Transport | None = None

    def connect(self, transport: asyncio.Transport) -> None:
        """Where the bytes go, those that came early first."""
        self._to = transport
        for data in self._early:
            transport.write(data)
        self._early.clear()

    def feed_data(self, data: bytes, *_: Any) -> tuple[bool, bytes]:
        if self._to is None:
            self._early.append(bytes(data))
        else:
            self._to.write(data)
        return False, b""

    def feed_eof(self) -> None:
        if self._to is not None:
            self._to.close()

    def set_exception(self, *_: Any) -> None:
        self.feed_eof()


async def run(tunnel: Tunnel, protocol: Any, client: asyncio.Transport) -> None:
    """Connect, send the head, and pass bytes until either side closes.

    Args:
        tunnel: where to.
        protocol: aiohttp's handler of the client's connection.
        client: the client's transport.

    Raises:
        OSError: the other server cannot be reached; nothing was sent to the client then.
    """
    from_client = _FromClient()
    protocol.set_parser(from_client)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_CONNECT_SECONDS):
        transport, backend = await loop.create_connection(
            lambda: _Backend(client),
            tunnel.host,
            tunnel.port,
            ssl=tunnel.tls,
            server_hostname=(tunnel.server_name or tunnel.host) if tunnel.tls else None,
        )
    try:
        transport.write(tunnel.head)
        from_client.connect(transport)
        await backend.done
    finally:
        transport.close()
