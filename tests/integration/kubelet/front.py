"""What a real kubectl needs in front of the stand-in API: discovery, and streams handed on to the kubelet."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

POD = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)/(exec|attach|portforward|log)$")
RENAMED = {"stdin": "input", "stdout": "output", "stderr": "error"}
DISCOVERY: dict[str, Any] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list"]}
        ],
    },
}


class Front:
    """A byte-wise front: pods' streams go to the kubelet, all else to the API."""

    def __init__(self, api_port: int, kubelet: tuple[str, int]) -> None:
        self._api_port, self._kubelet = api_port, kubelet
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening."""
        assert self._server
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._one(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        method, target, _ = first.decode().split()
        url = urlsplit(target)
        if url.path in DISCOVERY:
            body = json.dumps(DISCOVERY[url.path]).encode()
            kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
            writer.write(kind + str(len(body)).encode() + b"\r\n\r\n" + body)
            await writer.drain()
            return
        found = POD.fullmatch(url.path)
        if found:
            namespace, pod, kind = found.groups()
            query = dict(parse_qsl(url.query))
            pairs = [(RENAMED.get(key, key), "1" if value == "true" else value) for key, value in parse_qsl(url.query)]
            container = query.get("container", "c")
            places = {
                "exec": f"/exec/{namespace}/{pod}/{container}",
                "attach": f"/attach/{namespace}/{pod}/{container}",
                "portforward": f"/portForward/{namespace}/{pod}",
                "log": f"/containerLogs/{namespace}/{pod}/{container}",
            }
            if kind == "log":
                pairs = parse_qsl(url.query)
            first = f"{method} {places[kind]}?{urlencode(pairs)} HTTP/1.1".encode()
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            far_reader, far_writer = await asyncio.open_connection(*self._kubelet, ssl=context)
        else:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._api_port)
            rest = b"Connection: close\r\n" + re.sub(rb"(?i)connection:[^\r]*\r\n", b"", rest)
        far_writer.write(first + b"\r\n" + rest)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer, close=True))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, close: bool = False) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        if close:
            writer.close()
