"""Passes questions about other names on to the machine's own name servers."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Iterable
from pathlib import Path

_PORT = 53
_UDP_TIMEOUT = 2.0
_TCP_TIMEOUT = 4.0


class NoAnswer(Exception):
    """No name server answered; the text says why."""


def nameservers(resolv_conf: str, exclude: Iterable[str]) -> list[str]:
    """The IPv4 name servers that a resolv.conf names, without those that would lead back here."""
    try:
        lines = Path(resolv_conf).read_text().splitlines()
    except OSError:
        return []
    banned = set(exclude)
    found = []
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and words[1] not in banned:
            try:
                found.append(str(ipaddress.IPv4Address(words[1])))
            except ValueError:
                continue
    return found


class _Exchange(asyncio.DatagramProtocol):
    """One question on a socket of its own: its port is random, which makes forged answers hard."""

    def __init__(self, question: bytes) -> None:
        self._question = question
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.sendto(self._question)  # type: ignore[attr-defined]

    def datagram_received(self, data: bytes, address: object) -> None:
        if data[:2] == self._question[:2] and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


async def _ask_udp(server: str, question: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, exchange = await loop.create_datagram_endpoint(lambda: _Exchange(question), remote_addr=(server, _PORT))
    try:
        async with asyncio.timeout(_UDP_TIMEOUT):
            return await exchange.answer
    finally:
        transport.close()


async def _ask_tcp(server: str, question: bytes) -> bytes:
    async with asyncio.timeout(_TCP_TIMEOUT):
        reader, writer = await asyncio.open_connection(server, _PORT)
        try:
            writer.write(len(question).to_bytes(2, "big") + question)
            await writer.drain()
            size = int.from_bytes(await reader.readexactly(2), "big")
            return await reader.readexactly(size)
        finally:
            writer.close()


async def forward(question: bytes, servers: Iterable[str], *, tcp: bool) -> bytes:
    """Ask each name server in turn until one answers.

    Arguments: the question as it came, the servers, and whether it came over TCP (then it goes on over TCP).

    Returns: the answer as it came, under the question's own number.

    Raises:
        NoAnswer: there is no server, or none can be reached.
    """
    reasons = []
    for server in servers:
        number = secrets.token_bytes(2)
        try:
            ask = _ask_tcp if tcp else _ask_udp
            answer = await ask(server, number + question[2:])
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            reasons.append(f"{server}: {error or type(error).__name__}")
            continue
        return question[:2] + answer[2:]
    raise NoAnswer("; ".join(reasons) or "this machine has no name server")
