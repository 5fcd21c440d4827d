"""A small SPDY/3.1 client: enough to open streams on a container runtime's streaming server.

Header blocks are compressed without SPDY's dictionary, which its readers accept, and those received are not looked
into. There is no flow control: neither end of these connections has ever used it.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Mapping
from urllib.parse import urlsplit

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 0x01
VERSION = 3
HEADER = struct.Struct(">II")


class SpdyError(Exception):
    """The other end refused the connection, or broke it."""


async def upgrade(url: str, protocol: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to ``url`` and make it a SPDY one that speaks ``protocol``; raises SpdyError, OSError."""
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port, limit=1 << 18)
    path = target.path + (f"?{target.query}" if target.query else "")
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: {target.netloc}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        f"X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
    if " 101 " not in head.split("\r\n", 1)[0]:
        body = (await reader.read(2048)).decode(errors="replace")
        writer.close()
        raise SpdyError(f"{head.splitlines()[0]}: {body.strip()}")
    return reader, writer


class SpdyConnection:
    """One connection with its streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take an upgraded connection over."""
        self._reader, self._writer = reader, writer
        self._compressor = zlib.compressobj()
        self._next = 1

    def open(self, headers: Mapping[str, str]) -> int:
        """Open a stream with these headers and return its number."""
        stream, self._next = self._next, self._next + 2
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack(">I", len(text)) + text
        packed = self._compressor.compress(block) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        self._control(SYN_STREAM, 0, struct.pack(">IIH", stream, 0, 0) + packed)
        return stream

    def _control(self, kind: int, flags: int, payload: bytes) -> None:
        self._writer.write(HEADER.pack(0x80000000 | VERSION << 16 | kind, flags << 24 | len(payload)) + payload)

    async def send(self, stream: int, data: bytes, *, last: bool = False) -> None:
        """Send data on a stream; ``last`` closes our half of it."""
        self._writer.write(HEADER.pack(stream, (FIN if last else 0) << 24 | len(data)) + data)
        await self._writer.drain()

    async def receive(self) -> tuple[int, bytes, bool] | None:
        """The next (stream, data, whether it was the last), or None at the end of the connection."""
        while True:
            try:
                first, second = HEADER.unpack(await self._reader.readexactly(8))
                payload = await self._reader.readexactly(second & 0xFFFFFF)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            flags = second >> 24
            if not first & 0x80000000:
                return first, payload, bool(flags & FIN)
            kind = first & 0xFFFF
            if kind == PING:
                self._control(PING, 0, payload)
            elif kind == GOAWAY:
                return None
            elif kind == RST_STREAM or (kind == SYN_REPLY and flags & FIN):
                return struct.unpack(">I", payload[:4])[0] & 0x7FFFFFFF, b"", True

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()
