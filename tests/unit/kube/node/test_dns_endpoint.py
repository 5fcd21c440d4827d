"""The EndpointSlice by which a machine's pods find its DNS server names the Node that there is now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import not_found
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import ENDPOINT_SLICES, NODES
from kprov.kube.node.registration import keep_registered


class Server:
    """Keeps EndpointSlices as a server does, and deletes them with their Node, as the garbage collector does."""

    def __init__(self) -> None:
        client = cast(ApiClient, self)
        self.nodes, self.slices = Informer(client, NODES), Informer(client, ENDPOINT_SLICES)
        self.kept: dict[str, dict[str, Any]] = {}
        self.writes = 0

    async def patch(self, resource: Any, name: str, namespace: str, wanted: Any, *, patch_type: str) -> None:
        assert (namespace, patch_type) == ("kube-system", "merge")
        if name not in self.kept:
            raise not_found(ENDPOINT_SLICES, name)
        self._keep(wanted)

    async def create(self, resource: Any, wanted: Any, namespace: str) -> None:
        self._keep(wanted)

    def _keep(self, wanted: dict[str, Any]) -> None:
        self.writes += 1
        self.kept[wanted["metadata"]["name"]] = wanted
        self.slices._put({**wanted, "metadata": {**wanted["metadata"], "resourceVersion": str(self.writes)}})

    def node(self, uid: str) -> None:
        self.nodes._put({"metadata": {"name": "w1", "uid": uid, "resourceVersion": uid}})

    def collect(self) -> None:
        """Delete the slice, as its owner is gone."""
        self.kept.clear()
        self.slices._remove("kube-system/kube-dns-w1")

    def owner(self) -> str:
        found = self.kept.get("kube-dns-w1")
        return str(found["metadata"]["ownerReferences"][0]["uid"]) if found else ""


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


async def test_a_machine_whose_node_was_made_anew_registers_with_that_one() -> None:
    server = Server()
    client = cast(ApiClient, server)
    task = asyncio.create_task(keep_registered(client, server.nodes, server.slices, "w1", "192.0.2.21"))
    try:
        server.node("1")
        await _until(lambda: server.owner() == "1")
        server.nodes._remove("w1")  # somebody deletes the Node; the machine lives, and its kubelet registers again
        server.collect()
        server.node("2")
        await _until(lambda: server.owner() == "2")
        server.node("3")  # deleted and made anew while nobody was watching
        await _until(lambda: server.owner() == "3")
        server.collect()  # the garbage collector comes late
        await _until(lambda: server.owner() == "3")
        written = server.writes
        server.nodes._put({"metadata": {"name": "w1", "uid": "3", "resourceVersion": "9"}})  # a heartbeat
        server.nodes._put({"metadata": {"name": "w2", "uid": "4", "resourceVersion": "10"}})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert server.writes == written
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
