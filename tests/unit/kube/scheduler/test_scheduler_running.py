"""The whole scheduler against an API server in memory: bindings, messages, failures and preemption."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from fake_api_server import FakeApiServer, status
from scheduling_objects import node, pod

from kprov.kube.api.client import ApiClient
from kprov.kube.scheduler.configuration import Configuration
from kprov.kube.scheduler.main import build
from kprov.kube.scheduler.scheduler import Scheduler

Running = tuple[FakeApiServer, Scheduler]


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with FakeApiServer().serving() as server:
        client = ApiClient(server.url, timeout=60)
        factory, scheduler = build(client, Configuration(initial_backoff=0.05, max_backoff=0.1))
        await factory.start()
        await asyncio.wait_for(factory.wait_synced(), 60)
        task = asyncio.create_task(scheduler.run())
        yield server, scheduler
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await factory.stop()
        await client.close()


async def put_node(server: FakeApiServer, obj: dict[str, Any]) -> None:
    await server.put(f"/api/v1/nodes/{obj['metadata']['name']}", obj)


async def put_pod(server: FakeApiServer, obj: dict[str, Any]) -> str:
    path = f"/api/v1/namespaces/default/pods/{obj['metadata']['name']}"
    await server.put(path, obj)
    return path


def placed_on(server: FakeApiServer, path: str) -> str | None:
    return server.objects[path]["spec"].get("nodeName") if path in server.objects else None


def condition(server: FakeApiServer, path: str) -> dict[str, Any]:
    found = server.objects[path].get("status", {}).get("conditions", [])
    return next((c for c in found if c["type"] == "PodScheduled"), {})


def messages(server: FakeApiServer) -> list[str]:
    return [obj["message"] for path, obj in server.objects.items() if "/events/" in path]


async def test_pods_are_bound_and_told_about(running: Running) -> None:
    server, _ = running
    await put_node(server, node("a", cpu="2"))
    await put_node(server, node("b", cpu="2"))
    paths = [await put_pod(server, pod(f"p{i}", cpu="1")) for i in range(4)]
    await server.until(lambda: all(placed_on(server, path) for path in paths))
    assert sorted(str(placed_on(server, path)) for path in paths) == ["a", "a", "b", "b"]
    expected = {f"Successfully assigned default/p{i} to {placed_on(server, p)}" for i, p in enumerate(paths)}
    await server.until(lambda: set(messages(server)) == expected, f"said {messages(server)}")


async def test_a_pod_without_a_place_says_why_and_gets_the_next_one(running: Running) -> None:
    server, _ = running
    await put_node(server, node("a", cpu="1"))
    path = await put_pod(server, pod("big", cpu="2"))
    await server.until(lambda: condition(server, path))
    said = condition(server, path)
    assert (said["status"], said["reason"]) == ("False", "Unschedulable")
    expected = (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 Preemption is not helpful for scheduling."
    )
    assert said["message"] == expected
    await server.until(lambda: expected in messages(server))
    await put_node(server, node("b", cpu="4"))
    await server.until(lambda: placed_on(server, path) == "b")


async def test_a_place_that_becomes_free_is_taken(running: Running) -> None:
    server, _ = running
    await put_node(server, node("a", cpu="1"))
    first = await put_pod(server, pod("first", cpu="1"))
    await server.until(lambda: placed_on(server, first))
    second = await put_pod(server, pod("second", cpu="1"))
    await server.until(lambda: condition(server, second))
    assert "No preemption victims found for incoming pod" in condition(server, second)["message"]
    await server.drop(first)
    await server.until(lambda: placed_on(server, second) == "a")


async def test_a_binding_that_fails_is_undone_and_tried_again(running: Running) -> None:
    server, scheduler = running
    failures = 0

    def fault(request: web.Request) -> web.StreamResponse | None:
        nonlocal failures
        if request.path.endswith("/binding") and failures < 2:
            failures += 1
            return status(500, "InternalError", "etcd is away")
        return None

    server.fault = fault
    await put_node(server, node("a", cpu="1"))
    path = await put_pod(server, pod("p", cpu="1"))
    await server.until(lambda: placed_on(server, path) == "a")
    assert failures == 2
    await server.until(lambda: scheduler.cluster.pod_count == 1)


async def test_a_binding_whose_reply_is_lost_counts(running: Running) -> None:
    server, scheduler = running
    lost = []

    def fault(request: web.Request) -> web.StreamResponse | None:
        if request.path.endswith("/binding") and not lost:
            lost.append(request.path)
            server.objects[request.path.removesuffix("/binding")]["spec"]["nodeName"] = "a"
            assert request.transport
            request.transport.abort()
            return web.Response()
        return None

    server.fault = fault
    await put_node(server, node("a", cpu="1"))
    await put_pod(server, pod("p", cpu="1"))
    await server.until(lambda: any("Successfully assigned default/p to a" in m for m in messages(server)))
    assert [path for method, path in server.requests if path.endswith("/binding")] == lost
    assert scheduler.cluster.pod_count == 1


async def test_less_important_pods_make_room(running: Running) -> None:
    server, _ = running
    await put_node(server, node("a", cpu="2"))
    await put_node(server, node("b", cpu="2"))
    low = [await put_pod(server, pod(f"low{i}", cpu="1", priority=i)) for i in range(4)]
    await server.until(lambda: all(placed_on(server, path) for path in low))
    path = await put_pod(server, pod("high", cpu="1", priority=1000))
    await server.until(lambda: placed_on(server, path))
    assert low[0] not in server.objects, "the least important pod had to go"
    assert all(other in server.objects for other in low[1:])
    assert server.objects[path]["status"].get("nominatedNodeName") in ("a", "b")
    await server.until(lambda: any(m.startswith("Preempted by pod ") for m in messages(server)))


async def test_a_pod_that_must_not_preempt_waits(running: Running) -> None:
    server, _ = running
    await put_node(server, node("a", cpu="1"))
    low = await put_pod(server, pod("low", cpu="1"))
    await server.until(lambda: placed_on(server, low))
    path = await put_pod(server, pod("polite", cpu="1", priority=1000, preemptionPolicy="Never"))
    await server.until(lambda: condition(server, path))
    assert condition(server, path)["message"].endswith("preemption: not eligible due to preemptionPolicy=Never.")
    assert low in server.objects


async def test_a_budget_protects_its_pods(running: Running) -> None:
    server, _ = running
    budget = {
        "metadata": {"name": "pdb", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "db"}}},
        "status": {"disruptionsAllowed": 0},
    }
    await server.put("/apis/policy/v1/namespaces/default/poddisruptionbudgets/pdb", budget)
    await put_node(server, node("a", cpu="1"))
    await put_node(server, node("b", cpu="1"))
    guarded = await put_pod(server, pod("guarded", cpu="1", labels={"app": "db"}))
    free = await put_pod(server, pod("free", cpu="1", priority=5))
    await server.until(lambda: placed_on(server, guarded) and placed_on(server, free))
    path = await put_pod(server, pod("high", cpu="1", priority=1000))
    await server.until(lambda: placed_on(server, path))
    assert guarded in server.objects
    assert free not in server.objects


async def test_pods_of_other_schedulers_are_left_alone(running: Running) -> None:
    server, scheduler = running
    await put_node(server, node("a"))
    theirs = await put_pod(server, pod("theirs", schedulerName="other"))
    ours = await put_pod(server, pod("ours"))
    await server.until(lambda: placed_on(server, ours))
    assert placed_on(server, theirs) is None
    assert set(scheduler.queue.lengths.values()) == {0}
