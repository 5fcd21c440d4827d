from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from fake_api_server import FakeApiServer, status

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError, is_already_exists, is_conflict, is_not_found
from kprov.kube.api.kinds import NODES, PODS


def pod(name: str, **extra: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "a"}, "spec": {}, **extra}


async def test_verbs_and_errors(client: ApiClient) -> None:
    made = await client.create(PODS, pod("x"))
    assert made["metadata"]["resourceVersion"]
    with pytest.raises(ApiError) as raised:
        await client.create(PODS, pod("x"))
    assert is_already_exists(raised.value)
    stale = dict(made, metadata={**made["metadata"], "resourceVersion": "1"})
    with pytest.raises(ApiError) as raised:
        await client.update(PODS, stale)
    assert is_conflict(raised.value)
    patched = await client.patch(PODS, "x", "a", {"metadata": {"labels": {"k": "v"}}})
    assert patched["metadata"]["labels"] == {"k": "v"}
    assert [p["metadata"]["name"] for p in (await client.list(PODS))["items"]] == ["x"]
    await client.delete(PODS, "x", "a")
    with pytest.raises(ApiError) as raised:
        await client.get(PODS, "x", "a")
    assert is_not_found(raised.value)


async def test_too_many_requests_is_repeated_when_the_server_asks(server: FakeApiServer, client: ApiClient) -> None:
    refused = 0

    def fault(request: web.Request) -> web.StreamResponse | None:
        nonlocal refused
        if request.method == "POST" and refused < 2:
            refused += 1
            answer = status(429, "TooManyRequests")
            answer.headers["Retry-After"] = "0"
            return answer
        return None

    server.fault = fault
    await client.create(PODS, pod("x"))
    assert refused == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_whose_reply_is_lost_is_not_repeated(
    server: FakeApiServer, client: ApiClient, method: str
) -> None:
    await client.request("GET", "/api/v1/nodes")  # a connection is open and is used again

    def fault(request: web.Request) -> web.StreamResponse | None:
        assert request.transport
        request.transport.abort()
        return web.Response()

    server.fault = fault
    with pytest.raises(aiohttp.ClientError):
        await client.request(method, "/api/v1/nodes/x", body={})
    assert [m for m, _ in server.requests].count(method) == 1


async def test_a_read_whose_reply_is_lost_is_repeated(server: FakeApiServer, client: ApiClient) -> None:
    lost = 0

    def fault(request: web.Request) -> web.StreamResponse | None:
        nonlocal lost
        if lost:
            return None
        lost += 1
        assert request.transport
        request.transport.abort()
        return web.Response()

    server.fault = fault
    assert (await client.list(NODES))["items"] == []
    assert lost == 1


async def test_watch_reads_lines_of_any_length(server: FakeApiServer, client: ApiClient) -> None:
    large = "y" * 3_000_000
    await server.put("/api/v1/nodes/n", {"metadata": {"name": "n"}, "spec": {"large": large}})
    await server.put("/api/v1/nodes/m", {"metadata": {"name": "m"}})
    seen = []
    async for event in client.watch(NODES, resource_version="1"):
        seen.append(event["object"]["metadata"]["name"])
        if len(seen) == 2:
            break
    assert seen == ["n", "m"]


async def test_an_answer_of_a_proxy_in_between_becomes_an_error(server: FakeApiServer, client: ApiClient) -> None:
    server.fault = lambda request: web.Response(status=503, text="no server is available")
    with pytest.raises(ApiError) as raised:
        await client.create(PODS, pod("x"))
    assert (raised.value.code, raised.value.message) == (503, "no server is available")
