"""The node's HTTPS port follows its files: whom to believe, and which certificate to show."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from kprov.kube.api import server_tls
from kprov.kube.kubelet.config import KubeletConfig
from kprov.kube.kubelet.server.access import Access
from kprov.kube.kubelet.server.node_server import NodeServer
from kprov.lab.control_plane.authority import Authority

_SECONDS = 60.0
Ask = Callable[[aiohttp.ClientSession], Awaitable[int]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Certificates of two authorities for clients, and two of the node."""
    monkeypatch.setattr(server_tls, "_CHECK_SECONDS", 0.01)
    for name in ("old", "new"):
        Authority(tmp_path / name).issue("client", "admin", "system:masters")
    for name in ("first", "second"):
        Authority(tmp_path / name).issue("node", "node", addresses=("127.0.0.1",))
    _trust(tmp_path, "old")
    return tmp_path


def _trust(folder: Path, *names: str) -> None:
    whole = folder / "client-ca.new"
    whole.write_text("".join((folder / name / "ca.crt").read_text() for name in names))
    whole.rename(folder / "client-ca.crt")


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[NodeServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = KubeletConfig(
        address="127.0.0.1", port=port, client_ca_file=str(folder / "client-ca.crt"), webhook_authentication=False
    )
    host = cast(Any, SimpleNamespace(config=config, runtime=None))
    pods = cast(Any, SimpleNamespace(workers={}))
    made = NodeServer(host, pods, Access(cast(Any, None), config, "node-1"), lambda: "")
    await made.certificate(folder / "first/node.crt", folder / "first/node.key")
    yield made
    await made.stop()


@pytest.fixture
def ask(server: NodeServer) -> Ask:
    async def ask(session: aiohttp.ClientSession) -> int:
        async with session.get(f"https://127.0.0.1:{server._host.config.port}/pods") as answer:
            await answer.read()
            return answer.status

    return ask


async def _shown(server: NodeServer) -> str:
    """The certificate that a new connection is shown."""
    return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", server._host.config.port))


def _session(folder: Path, name: str) -> aiohttp.ClientSession:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if name:
        context.load_cert_chain(folder / name / "client.crt", folder / name / "client.key")
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=1))


async def _until(true: Callable[[], Awaitable[bool]], what: str) -> None:
    end = time.monotonic() + _SECONDS
    while not await true():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.01)


async def test_an_authority_that_is_taken_out_is_trusted_no_longer(folder: Path, ask: Ask) -> None:
    async with _session(folder, "old") as old, _session(folder, "new") as new, _session(folder, "") as nobody:
        assert (await ask(old), await ask(nobody)) == (200, 401)
        with pytest.raises(aiohttp.ClientError):
            await ask(new)
        _trust(folder, "new")

        async def old_is_refused() -> bool:
            return await ask(old) == 401

        await _until(old_is_refused, "a connection that is open is still taken for the administrator's")
        assert await ask(new) == 200
    async with _session(folder, "old") as again:
        with pytest.raises(aiohttp.ClientError):
            await ask(again)


async def test_another_certificate_is_shown_to_new_connections(folder: Path, server: NodeServer, ask: Ask) -> None:
    first, second = ((folder / name / "node.crt").read_text() for name in ("first", "second"))
    async with _session(folder, "old") as before:
        assert (await ask(before), await _shown(server)) == (200, first)
        await server.certificate(folder / "second/node.crt", folder / "second/node.key")
        assert (await ask(before), await _shown(server)) == (200, second), "an open connection goes on"
        with pytest.raises(OSError, match="No such file"):
            await server.certificate(folder / "gone.crt", folder / "gone.key")
        assert await _shown(server) == second, "what cannot be read changes nothing"
        for name in ("node.crt", "node.key"):
            (folder / "second" / name).write_bytes((folder / "first" / name).read_bytes())

        async def first_again() -> bool:
            return await _shown(server) == first

        await _until(first_again, "the files' new content is not shown")
        assert await ask(before) == 200
