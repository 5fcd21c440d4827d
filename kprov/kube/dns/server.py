"""The DNS server: UDP and TCP, for the cluster's own machines and pods alone."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

from dnslib import EDNS0, QTYPE, RCODE, DNSError, DNSRecord

from kprov.kube.dns import instruments
from kprov.kube.dns.forwarding import NoAnswer, forward
from kprov.kube.dns.zone import Zone

log = logging.getLogger(__name__)

_PLAIN_UDP = 512  # RFC 1035
_LARGEST_UDP = 1232  # DNS flag day 2020: what passes every network unfragmented
_IDLE_SECONDS = 10.0
_MOST_CONNECTIONS = 200
_MOST_FORWARDED = 500


class DnsServer:
    """Answers the cluster's names from the zone, and forwards the others.

    Args:
        zone: the cluster's names.
        upstream: gives the name servers for other names.
        networks: who may ask, besides the machines.
        machines: gives the addresses of the cluster's machines, who may ask too.
    """

    def __init__(
        self,
        zone: Zone,
        *,
        upstream: Callable[[], Iterable[str]],
        networks: Iterable[str],
        machines: Callable[[], Iterable[str]],
    ) -> None:
        self._zone, self._upstream, self._machines = zone, upstream, machines
        self._networks = [ipaddress.IPv4Network(network) for network in (*networks, "127.0.0.0/8")]
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._forwarding = asyncio.Semaphore(_MOST_FORWARDED)

    def may_ask(self, address: str) -> bool:
        """Whether an address belongs to the cluster: nobody else gets an answer out of this server."""
        asking = ipaddress.IPv4Address(address)
        return any(asking in network for network in self._networks) or address in self._machines()

    def answer_now(self, question: bytes, client: str, *, tcp: bool) -> bytes | Coroutine[Any, Any, bytes] | None:
        """The reply, a coroutine that gets it from elsewhere, or None for what is no question."""
        began = time.monotonic()
        try:
            request = DNSRecord.parse(question)
        except (DNSError, UnicodeError, IndexError):
            return None
        if request.header.qr or len(request.questions) != 1:
            return None
        if not self.may_ask(client):
            return instruments.answered(request, _failure(request, RCODE.REFUSED), began, tcp=tcp)
        if request.header.opcode:
            return instruments.answered(request, _failure(request, RCODE.NOTIMP), began, tcp=tcp)
        if self._zone.is_mine(str(request.q.qname).rstrip(".").lower()):
            return instruments.answered(request, _pack(request, self._zone.answer(request), tcp=tcp), began, tcp=tcp)
        return self._elsewhere(request, question, began, tcp=tcp)

    async def _elsewhere(self, request: DNSRecord, question: bytes, began: float, *, tcp: bool) -> bytes:
        reply = _failure(request, RCODE.SERVFAIL)
        if not self._forwarding.locked():
            async with self._forwarding:
                try:
                    reply = await forward(question, self._upstream(), tcp=tcp)
                except NoAnswer as error:
                    log.debug("%s: %s", request.q.qname, error)
        return instruments.answered(request, reply, began, tcp=tcp)

    # -- transports -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def serving(self, address: str, port: int = 53) -> AsyncIterator[None]:
        """Serve on an address over UDP and TCP while the body runs. Raises OSError when it can't be had."""
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._converse, address, port)
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=(address, port))
        except OSError:
            server.close()
            raise
        try:
            yield
        finally:
            transport.close()
            server.close()
            for task in self._tasks:
                task.cancel()

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work in the background, held so that it is not collected."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = writer.get_extra_info("peername")[0]
        if self._connections >= _MOST_CONNECTIONS or not self.may_ask(client):
            writer.close()
            return
        self._connections += 1
        try:
            while True:
                async with asyncio.timeout(_IDLE_SECONDS):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    question = await reader.readexactly(size)
                reply = self.answer_now(question, client, tcp=True)
                if reply is None:
                    return
                content = reply if isinstance(reply, bytes) else await reply
                writer.write(len(content).to_bytes(2, "big") + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, OSError):
            pass  # the client is done, or gone
        finally:
            self._connections -= 1
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        assert self._transport is not None
        reply = self._server.answer_now(data, address[0], tcp=False)
        if isinstance(reply, bytes):
            self._transport.sendto(reply, address)
        elif reply is not None:
            self._server.keep(self._later(reply, address))

    async def _later(self, reply: Coroutine[Any, Any, bytes], address: tuple[str, int]) -> None:
        content = await reply
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(content, address)


def _failure(request: DNSRecord, code: int) -> bytes:
    reply = request.reply(ra=1, aa=0)
    reply.header.rcode = code
    return bytes(reply.pack())


def _pack(request: DNSRecord, reply: DNSRecord, *, tcp: bool) -> bytes:
    """The reply in wire form; over UDP cut to what the client takes, with the mark that more is to be had by TCP."""
    offered = next((record.edns_len for record in request.ar if record.rtype == QTYPE.OPT), 0)
    if offered:
        reply.add_ar(EDNS0(udp_len=_LARGEST_UDP))
    packed = bytes(reply.pack())
    limit = min(max(offered, _PLAIN_UDP), _LARGEST_UDP)
    if tcp or len(packed) <= limit:
        return packed
    while reply.rr and len(packed) > limit:
        reply.rr.pop()
        reply.header.tc = 1
        packed = bytes(reply.pack())
    return packed
