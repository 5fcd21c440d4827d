from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fake_api_server import FakeApiServer

from kprov.kube.api import informer as informer_module
from kprov.kube.api.client import ApiClient
from kprov.kube.api.informer import Informer
from kprov.kube.api.informer_factory import InformerFactory
from kprov.kube.api.kinds import NODES, PODS

BASE = "/api/v1/namespaces/a/pods"


def pod(name: str, label: str = "x") -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "a", "labels": {"app": label}, "managedFields": [1]}}


@pytest.fixture
async def told(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Informer, list[str]]]:
    monkeypatch.setattr(informer_module, "_BACKOFF_FIRST", 0.01)
    said: list[str] = []
    informer = Informer(client, PODS)
    informer.add_index("app", lambda obj: [obj["metadata"]["labels"]["app"]])
    informer.add_handler(
        lambda new: said.append(f"+{new['metadata']['name']}"),
        lambda old, new: said.append(f"~{new['metadata']['name']}"),
        lambda last: said.append(f"-{last['metadata']['name']}"),
    )
    task = asyncio.create_task(informer.run())
    yield informer, said
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_lists_then_follows(server: FakeApiServer, told: tuple[Informer, list[str]]) -> None:
    informer, said = told
    await server.put(f"{BASE}/one", pod("one"))
    await asyncio.wait_for(informer.wait_synced(), 60)
    await server.until(lambda: said == ["+one"])
    await server.put(f"{BASE}/two", pod("two", "y"))
    await server.put(f"{BASE}/one", pod("one", "y"))
    await server.drop(f"{BASE}/two")
    await server.until(lambda: said == ["+one", "+two", "~one", "-two"], f"said {said}")
    assert [p["metadata"]["name"] for p in informer.by_index("app", "y")] == ["one"]
    assert informer.by_index("app", "x") == []
    kept = informer.get("a/one")
    assert kept
    assert "managedFields" not in kept["metadata"]


async def test_goes_on_where_a_lost_connection_ended(server: FakeApiServer, told: tuple[Informer, list[str]]) -> None:
    informer, said = told
    await asyncio.wait_for(informer.wait_synced(), 60)
    await server.until(lambda: server.watching == 1)
    lists = server.requests.count(("GET", "/api/v1/pods"))
    await server.cut_watches()
    await server.put(f"{BASE}/one", pod("one"))
    await server.until(lambda: said == ["+one"], f"said {said}")
    assert server.requests.count(("GET", "/api/v1/pods")) >= lists + 1
    assert said == ["+one"]


async def test_a_new_list_tells_what_was_missed(server: FakeApiServer, told: tuple[Informer, list[str]]) -> None:
    _, said = told
    await server.put(f"{BASE}/gone", pod("gone"))
    await server.put(f"{BASE}/changed", pod("changed"))
    await server.put(f"{BASE}/same", pod("same"))
    await server.put(f"{BASE}/again", pod("again"))
    await server.until(lambda: len(said) == 4 and server.watching == 1)
    said.clear()
    objects = server.objects
    del objects[f"{BASE}/gone"]
    uid = objects[f"{BASE}/changed"]["metadata"]["uid"]
    changed, again = pod("changed"), pod("again")
    changed["metadata"].update(resourceVersion="900", uid=uid)  # type: ignore[attr-defined]
    again["metadata"].update(resourceVersion="901", uid="other")  # type: ignore[attr-defined]
    objects[f"{BASE}/changed"], objects[f"{BASE}/again"] = changed, again
    server.revision = iter(range(1000, 2000))  # type: ignore[assignment]
    server._stamp()
    await server.forget_history()
    await server.until(lambda: len(said) == 4, f"said {said}")
    assert sorted(said) == ["+again", "-again", "-gone", "~changed"]


async def test_a_handler_that_fails_stops_nobody(server: FakeApiServer, told: tuple[Informer, list[str]]) -> None:
    informer, said = told

    def wrong(obj: object) -> None:
        raise RuntimeError("wrong")

    informer.add_handler(wrong)
    await server.put(f"{BASE}/one", pod("one"))
    await server.until(lambda: informer.get("a/one") and said == ["+one"])


async def test_a_late_handler_hears_of_what_is_there(server: FakeApiServer, told: tuple[Informer, list[str]]) -> None:
    informer, said = told
    await server.put(f"{BASE}/one", pod("one"))
    await server.until(lambda: said)
    late: list[str] = []
    informer.add_handler(lambda obj: late.append(obj["metadata"]["name"]))
    assert late == ["one"]


async def test_a_factory_shares(client: ApiClient) -> None:
    factory = InformerFactory(client)
    assert factory.informer(NODES) is factory.informer(NODES)
    assert factory.informer(PODS) is not factory.informer(PODS, namespace="a")
    await factory.start()
    await asyncio.wait_for(factory.wait_synced(), 60)
    await factory.stop()
