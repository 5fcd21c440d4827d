"""What passes through the proxy of pods, services and nodes, and what does not."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.http.message import Answer, BrokenOff, Request, Response, Stream
from kprov.kube.apiserver.kubelet.web_proxy import web_answer
from kprov.kube.apiserver.request import UserInfo

PREFIX = "/api/v1/namespaces/default/pods/web/proxy"
Ask = Callable[..., Awaitable[Answer]]


def _request(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Request:
    info: Any = None
    return Request(
        method, path, PREFIX + path, {}, CIMultiDict({name.replace("_", "-"): text for name, text in headers.items()}),
        body, None, "198.51.100.7", UserInfo("somebody"), info,
    )  # fmt: skip


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    seen: dict[str, Any] = {}

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.update(method=request.method, path=request.raw_path, headers=request.headers, body=await request.read())
        if request.path == "/page":
            return web.Response(text='<a href="/next">', content_type="text/html")
        if request.path == "/packed":
            packed = gzip.compress(b'<a href="/next">')
            return web.Response(body=packed, headers={"Content-Type": "text/html", "Content-Encoding": "gzip"})
        if request.path == "/strange":
            return web.Response(body=b"\x1f\x8b no", headers={"Content-Type": "text/html", "Content-Encoding": "gzip"})
        if request.path == "/large":
            return web.Response(text='<a href="/next">' + " " * (5 << 20), content_type="text/html")
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": f"http://{request.host}/there?x=1"})
        if request.path == "/cookies":
            response = web.Response(text="/plain", headers={"Access-Control-Allow-Origin": "*"})
            response.headers.add("Set-Cookie", "a=1")
            response.headers.add("Set-Cookie", "b=2")
            return response
        if request.path == "/cut":
            cut = web.StreamResponse(headers={"Content-Length": "10"})
            await cut.prepare(request)
            await cut.write(b"123")
            assert request.transport is not None
            request.transport.close()
            return cut
        return web.Response(text="it is here")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]

    async def get(path: str, *arguments: Any, **headers: Any) -> Any:
        return await web_answer(_request(path, *arguments, **headers), f"{host}:{port}", None, path), seen

    yield get
    await runner.cleanup()


async def _read(stream: Stream) -> bytes:
    try:
        return b"".join([chunk async for chunk in stream.chunks])
    finally:
        await stream.chunks.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/page", "/packed"])
async def test_links_of_pages_lead_through_the_proxy(ask: Any, path: str) -> None:
    answer, _ = await ask(path)
    body = await _read(answer)
    if path == "/packed":
        assert answer.headers["Content-Encoding"] == "gzip"
        body = gzip.decompress(body)
    assert body == f'<a href="{PREFIX}/next">'.encode()


@pytest.mark.parametrize(("path", "start"), [("/strange", b"\x1f\x8b no"), ("/large", b'<a href="/next">  ')])
async def test_pages_that_cannot_be_read_pass_as_they_are(ask: Any, path: str, start: bytes) -> None:
    answer, _ = await ask(path)
    body = await _read(answer)
    assert body.startswith(start)
    assert len(body) == (len(start) if path == "/strange" else len('<a href="/next">') + (5 << 20))


async def test_redirections_lead_through_the_proxy(ask: Any) -> None:
    answer, _ = await ask("/moved")
    assert answer.status == 302
    assert answer.headers["Location"] == f"{PREFIX}/there?x=1"
    await _read(answer)


async def test_the_request_arrives_without_the_users_credentials(ask: Any) -> None:
    answer, seen = await ask(
        "/a%2Fb?c=d", "POST", b"words",
        Authorization="Bearer secret", Impersonate_User="root", X_Remote_User="root", X_Own="kept",
        Content_Type="text/plain", X_Forwarded_For="203.0.113.9",
    )  # fmt: skip
    assert await _read(answer) == b"it is here"
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/a%2Fb?c=d", b"words")
    headers = seen["headers"]
    assert not {"Authorization", "Impersonate-User", "X-Remote-User", "User-Agent"} & set(headers)
    assert headers["X-Own"] == "kept"
    assert headers["Content-Type"] == "text/plain"
    assert headers["X-Forwarded-For"] == "203.0.113.9, 198.51.100.7"
    assert headers["X-Forwarded-Uri"] == f"{PREFIX}/a%2Fb"


async def test_each_cookie_comes_back_and_nothing_that_would_open_the_server_to_other_sites(ask: Any) -> None:
    answer, _ = await ask("/cookies")
    assert answer.headers.getall("Set-Cookie") == ["a=1", "b=2"]
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert await _read(answer) == b"/plain"


async def test_an_answer_that_is_cut_off_is_not_taken_for_a_whole_one(ask: Any) -> None:
    answer, _ = await ask("/cut")
    with pytest.raises(BrokenOff):
        await _read(answer)


async def test_without_the_last_slash_the_client_is_sent_to_where_relative_links_work() -> None:
    answer = await web_answer(_request("?a=b"), "127.0.0.1:1", None, "?a=b")
    assert isinstance(answer, Response)
    assert (answer.status, answer.headers["Location"]) == (301, f"{PREFIX}/?a=b")


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ApiError) as raised:
        await web_answer(_request("/"), "127.0.0.1:1", None, "/")
    assert raised.value.code == 503
    assert "error trying to reach service" in raised.value.message
