from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from fake_api_server import FakeApiServer

from kprov.kube.api.client import ApiClient
from kprov.kube.api.delegated_auth import DelegatedAuthenticator, DelegatedAuthorizer, user_of_certificate
from kprov.kube.api.metrics import Registry
from kprov.kube.api.serving import HealthServer

Get = Callable[..., Any]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def get(port: int) -> AsyncIterator[Get]:
    async with aiohttp.ClientSession() as session:

        async def read(path: str, scheme: str = "http", **more: Any) -> tuple[int, str]:
            async with session.get(f"{scheme}://127.0.0.1:{port}{path}", ssl=False, **more) as answer:
                return answer.status, await answer.text()

        yield read


async def test_health_and_metrics(port: int, get: Get) -> None:
    registry = Registry()
    registry.counter("a_total", "help", ("x",)).inc('q"', by=2)
    registry.histogram("b", "help", buckets=(1, 2)).observe(1.5)
    synced = False
    ready = {"sync": lambda: synced or "not yet"}
    async with HealthServer("127.0.0.1", port, ready=ready, registry=registry).serving():
        assert await get("/healthz") == (200, "ok")
        assert await get("/readyz") == (500, "[+]ping ok\n[-]sync failed: not yet\nreadyz check failed\n")
        assert (await get("/readyz/sync"))[0] == 500
        assert await get("/readyz?exclude=sync") == (200, "ok")
        synced = True
        assert await get("/readyz?verbose") == (200, "[+]ping ok\n[+]sync ok\nreadyz check passed\n")
        assert (await get("/nothing"))[0] == 404
        _, text = await get("/metrics")
    assert 'a_total{x="q\\""} 2\n' in text
    assert 'b_bucket{le="1"} 0\nb_bucket{le="2"} 1\nb_bucket{le="+Inf"} 1\nb_sum 1.5\nb_count 1\n' in text
    assert "process_resident_memory_bytes" in text


async def test_without_a_certificate_one_is_made(port: int, get: Get) -> None:
    async with HealthServer("127.0.0.1", port, secure=True).serving():
        assert await get("/livez", "https") == (200, "ok")


async def test_metrics_ask_the_api_server(port: int, get: Get, server: FakeApiServer, client: ApiClient) -> None:
    def review(request: web.Request) -> web.StreamResponse | None:
        if request.path.endswith("/tokenreviews"):
            return web.json_response({"status": {"authenticated": True, "user": {"username": "ann", "groups": ["g"]}}})
        return web.json_response({"status": {"allowed": True}})

    server.fault = review
    guarded = HealthServer(
        "127.0.0.1", port, authenticator=DelegatedAuthenticator(client), authorizer=DelegatedAuthorizer(client)
    )
    async with guarded.serving():
        for _ in range(2):
            status, _ = await get("/metrics", headers={"Authorization": "Bearer t"})
            assert status == 200
        assert len(server.requests) == 2, "answers are remembered"
        server.fault = lambda request: web.json_response({"status": {"allowed": False}})
        status, text = await get("/metrics")
        assert (status, text) == (403, 'forbidden: User "system:anonymous" cannot get path "/metrics"\n')
        assert (await get("/healthz"))[0] == 200
        status, _ = await get("/metrics", headers={"Authorization": "Bearer wrong"})
        assert status == 401


def test_a_certificate_names_its_user() -> None:
    subject = ((("organizationName", "system:masters"),), (("organizationName", "b"),), (("commonName", "admin"),))
    user = user_of_certificate({"subject": subject})
    assert user
    assert (user.name, user.groups) == ("admin", ("system:masters", "b", "system:authenticated"))
    assert user_of_certificate({}) is None
