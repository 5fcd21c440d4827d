"""Answers in one write: the bytes that clients get, and what is left to aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from multidict import CIMultiDict

from kprov.kube.apiserver.http.aiohttp_front import AiohttpFront
from kprov.kube.apiserver.http.message import Request, Response


async def _answer(request: Request) -> Response:
    match request.path.rpartition("/")[2]:
        case "large":
            return Response(b"l" * 300_000)
        case "empty":
            return Response(b"", 204, "")
        case "unknown":
            return Response(b"?", 299)
        case "smuggled":
            return Response(b"{}", headers={"X-Odd": "a\r\nX-Evil: b"})
        case "framed":
            return Response(b"{}", headers={"content-length": "2"})
        case "many":
            return Response(b"{}", headers=CIMultiDict([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]))
        case "refused":
            return Response(b'{"code":403}', 403, headers={"Warning": '299 - "ä"'})
    return Response(b'{"said":"%b"}' % request.body, headers={"Cache-Control": "no-cache, private"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    front = AiohttpFront(_answer)
    await front.start("127.0.0.1", 0, None)
    assert front._runner is not None
    yield front._runner.addresses[0][1]
    await front.stop()


async def _talk(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    found = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return found


def _request(path: str, method: str = "GET", body: bytes = b"", last: bool = True, version: str = "1.1") -> bytes:
    head = f"{method} /{path} HTTP/{version}\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + (b"Connection: close\r\n" if last else b"") + b"\r\n" + body


def _fields(head: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:])


async def test_one_request_after_the_other(port: int) -> None:
    found = await _talk(port, _request("a", "POST", b"1", last=False) + _request("refused", last=False) + _request("b"))
    first, second, third, body = found.split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert _fields(first)["cache-control"] == "no-cache, private"
    assert _fields(first)["content-type"] == "application/json"
    assert "connection" not in _fields(first) and "date" in _fields(first)
    assert second.startswith(b'{"said":"1"}HTTP/1.1 403 Forbidden\r\n')
    assert '299 - "ä"' in second.decode()
    assert third.startswith(b'{"code":403}HTTP/1.1 200 OK\r\n')
    assert _fields(third)["connection"] == "close"
    assert body == b'{"said":""}'


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("large", 200, b"l" * 300_000),
        ("empty", 204, b""),
        ("unknown", 299, b"?"),
        ("framed", 200, b"{}"),
        ("many", 200, b"{}"),
    ],
)
async def test_every_answer_is_whole(port: int, path: str, status: int, body: bytes) -> None:
    head, _, found = (await _talk(port, _request(path))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert found == body
    if path == "many":
        assert head.count(b"Set-Cookie: ") == 2
    if body:
        assert _fields(head)["content-length"] == str(len(body))


async def test_a_header_never_ends_a_line(port: int) -> None:
    assert b"X-Evil" not in await _talk(port, _request("smuggled"))


async def test_head_and_older_clients_are_answered_by_aiohttp(port: int) -> None:
    head = await _talk(port, _request("a", "HEAD"))
    assert head.startswith(b"HTTP/1.1 200") and head.endswith(b"\r\n\r\n")
    assert _fields(head.removesuffix(b"\r\n\r\n"))["content-length"] == "11"
    old: Any = await _talk(port, _request("a", version="1.0"))
    assert old.startswith(b"HTTP/1.0 200") and old.endswith(b'{"said":""}')
