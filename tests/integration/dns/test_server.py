"""The DNS server on real sockets, asked over UDP and TCP, with a name server behind it and with none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dnslib import QTYPE, RCODE, RR, A, DNSRecord

from kprov.kube.api.client import ApiClient
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import ENDPOINT_SLICES, SERVICES
from kprov.kube.dns import forwarding
from kprov.kube.dns.server import DnsServer
from kprov.kube.dns.zone import Zone

WEB = {
    "metadata": {"namespace": "default", "name": "web"},
    "spec": {"clusterIP": "10.96.0.20", "ports": [{"name": "http", "port": 80}]},
}


class Outside(asyncio.DatagramProtocol):
    """A name server that knows one address for every name."""

    transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        request = DNSRecord.parse(data)
        reply = request.reply()
        reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A("198.51.100.7"), ttl=60))
        self.transport.sendto(reply.pack(), address)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def server() -> AsyncIterator[tuple[int, list[str]]]:
    """The server's port, and the list of its name servers for other names."""
    client = ApiClient("https://127.0.0.1:1")
    services, slices = Informer(client, SERVICES), Informer(client, ENDPOINT_SLICES)
    zone = Zone(services, slices, domain="cluster.local", networks=["10.244.0.0/16", "10.96.0.0/16"])
    services._put(WEB)
    for informer in (services, slices):
        informer._synced.set()
    upstream: list[str] = []
    dns = DnsServer(zone, upstream=lambda: upstream, networks=["10.244.0.0/16"], machines=set)
    port = free_port()
    async with dns.serving("127.0.0.1", port):
        yield port, upstream


async def ask(port: int, name: str, *, tcp: bool = False) -> DNSRecord:
    question = DNSRecord.question(name)
    packed = await asyncio.to_thread(question.send, "127.0.0.1", port, tcp, 5)
    return DNSRecord.parse(packed)


@pytest.mark.parametrize("tcp", [False, True])
async def test_names_of_the_cluster_are_answered(server: tuple[int, list[str]], tcp: bool) -> None:
    reply = await ask(server[0], "web.default.svc.cluster.local", tcp=tcp)
    assert [str(record.rdata) for record in reply.rr] == ["10.96.0.20"]


async def test_without_a_name_server_other_names_fail_at_once(server: tuple[int, list[str]]) -> None:
    reply = await ask(server[0], "example.org")
    assert RCODE.get(reply.header.rcode) == "SERVFAIL"


async def test_other_names_are_asked_of_the_machines_name_servers(
    server: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, upstream = server
    outside = free_port()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Outside, local_addr=("127.0.0.1", outside))
    monkeypatch.setattr(forwarding, "_PORT", outside)
    upstream.append("127.0.0.1")
    try:
        reply = await ask(port, "example.org")
    finally:
        transport.close()
    assert [str(record.rdata) for record in reply.rr] == ["198.51.100.7"]


async def test_a_name_server_that_is_gone_is_passed_over(
    server: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, upstream = server
    monkeypatch.setattr(forwarding, "_PORT", free_port())
    upstream.append("127.0.0.1")
    reply = await ask(port, "example.org")
    assert RCODE.get(reply.header.rcode) == "SERVFAIL"
