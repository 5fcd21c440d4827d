"""Clients that do not read, or do not say what they want to the end, hold up nobody else."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from history_clients import PATH, session
from history_servers import Servers, insecure, servers

_STALLED, _SILENT, _WRITES = 20, 100, 300
_TEXT = "x" * 50_000


async def _connection(running: Servers, request: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which something was said; its client reads little, then nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.ports[0], ssl=insecure(), limit=4096)
    writer.write(request.replace("TOKEN", running.token).encode())
    await writer.drain()
    return reader, writer


async def test_slow_clients_hold_up_nobody(tmp_path: Path) -> None:
    with servers(tmp_path / "plane", 1) as running:
        base = f"https://127.0.0.1:{running.ports[0]}"
        head = "Host: x\r\nAuthorization: Bearer TOKEN\r\n"
        connections = [
            await _connection(running, f"GET {PATH}?watch=1 HTTP/1.1\r\n{head}\r\n") for _ in range(_STALLED)
        ]
        for reader, _ in connections:
            assert b" 200 " in await reader.readline()
        for number in range(_SILENT):  # nothing, half a head, half a body
            said = ("", f"GET {PATH} HTT", f"POST {PATH} HTTP/1.1\r\n{head}Content-Length: 100000\r\n\r\n{{")[
                number % 3
            ]
            connections.append(await _connection(running, said))
        slowest = 0.0
        async with session(running) as http:
            before = running.memory_mb(0)
            for number in range(_WRITES):
                began = time.monotonic()
                body = {"metadata": {"name": "large"}, "data": {"value": f"{number}{_TEXT}"}}
                how = http.post(base + PATH, json=body) if number == 0 else http.put(f"{base}{PATH}/large", json=body)
                async with how as response:
                    assert response.status < 300, await response.text()
                slowest = max(slowest, time.monotonic() - began)
            grown = running.memory_mb(0) - before
        print(f"slowest write {slowest:.3f} s, {grown:.0f} MB more")
        # What they have not read is there once, for all of them, besides what lies in their connections.
        assert grown < 40 + 4 * _WRITES * len(_TEXT) / 1e6
        assert slowest < 5
        reader = connections[0][0]
        reader._limit = 1 << 20  # type: ignore[attr-defined]  # it wakes up, and reads what it missed, in order
        got: list[int] = []
        async with asyncio.timeout(120):
            while len(got) < _WRITES:
                line = await reader.readline()
                at = line.find(b'"value":"')
                if at >= 0:
                    got.append(int(line[at + 9 :].partition(b"x")[0]))
        assert got == list(range(_WRITES))
        for _, writer in connections:
            writer.transport.abort()
        running.wait_ready(0)
        assert "Traceback" not in running.logs(), running.logs()[-4000:]
