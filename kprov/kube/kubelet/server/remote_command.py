"""exec and attach for v5.channel.k8s.io, and port-forward over websocket, ended here.

The runtime's streaming server knows neither: v5 adds "this stream is closed" to the channels, and new kubectl wraps
its SPDY connection for port-forward in a websocket. Both become SPDY towards the runtime.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import WSMsgType, web

from kprov.kube.kubelet.server.spdy import SpdyConnection, SpdyError, upgrade

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
V5 = "v5.channel.k8s.io"
TUNNELLED = "SPDY/3.1+portforward.k8s.io"
NAMES = {STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", ERROR: "error", RESIZE: "resize"}


def wants(request: web.Request, protocol: str) -> bool:
    """Whether the client offers this websocket protocol."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    return protocol in [each.strip() for each in offered.split(",")]


async def remote_command(request: web.Request, url: str, streams: set[int]) -> web.WebSocketResponse:
    """Serve a v5 client from the runtime's ``url``; ``streams`` are those that the client asked for."""
    # Channels carry bytes, whatever kind of frame they come in: Python's official client sends text ones for stdin.
    socket = web.WebSocketResponse(protocols=(V5,), compress=False, max_msg_size=0, decode_text=False)
    await socket.prepare(request)
    try:
        connection = SpdyConnection(*await upgrade(url, "v4.channel.k8s.io"))
    except (SpdyError, OSError) as error:
        await _fail(socket, f"error dialing the container runtime: {error}")
        return socket
    # the runtime wants the error stream first
    numbers = {channel: connection.open({"streamtype": NAMES[channel]}) for channel in (ERROR, *sorted(streams))}
    try:
        async with asyncio.TaskGroup() as group:
            inward = group.create_task(_inward(socket, connection, numbers))
            await _outward(socket, connection, {number: channel for channel, number in numbers.items()})
            inward.cancel()
    except* (ConnectionError, RuntimeError):
        pass  # one end went away, which ends the other
    finally:
        connection.close()
    with contextlib.suppress(ConnectionError, RuntimeError):
        await socket.close()
    return socket


async def _inward(socket: web.WebSocketResponse, connection: SpdyConnection, numbers: dict[int, int]) -> None:
    async for message in socket:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT) or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel == CLOSE:
            if data and data[0] in numbers:
                await connection.send(numbers[data[0]], b"", last=True)
        elif channel in numbers and channel in (STDIN, RESIZE) and data:
            await connection.send(numbers[channel], data)
    connection.close()


async def _outward(socket: web.WebSocketResponse, connection: SpdyConnection, channels: dict[int, int]) -> None:
    open_ones = {number for number, channel in channels.items() if channel in (STDOUT, STDERR, ERROR)}
    while open_ones and (frame := await connection.receive()) is not None:
        number, data, last = frame
        channel = channels.get(number)
        if channel is not None and data:
            await socket.send_bytes(bytes([channel]) + data)
        if last:
            open_ones.discard(number)


async def _fail(socket: web.WebSocketResponse, message: str) -> None:
    status: dict[str, Any] = {
        "metadata": {},
        "status": "Failure",
        "reason": "InternalError",
        "message": message,
        "code": 500,
    }
    await socket.send_bytes(bytes([ERROR]) + json.dumps(status).encode())
    await socket.close()


async def tunnelled_port_forward(request: web.Request, url: str) -> web.WebSocketResponse:
    """Unwrap a client's SPDY connection from its websocket and join it to the runtime's ``url``."""
    socket = web.WebSocketResponse(protocols=(TUNNELLED,), compress=False, max_msg_size=0)
    await socket.prepare(request)
    try:
        reader, writer = await upgrade(url, "portforward.k8s.io")
    except (SpdyError, OSError) as error:
        await socket.close(code=1011, message=str(error).encode()[:120])
        return socket

    async def outward() -> None:
        while data := await reader.read(1 << 16):
            await socket.send_bytes(data)
        await socket.close()

    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(outward())
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    writer.write(message.data)
                    await writer.drain()
            task.cancel()
    except* (ConnectionError, RuntimeError):
        pass
    finally:
        writer.close()
    return socket
