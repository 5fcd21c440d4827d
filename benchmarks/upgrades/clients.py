"""Clients that ask at a steady pace, whatever becomes of their requests, and try again as clients do.

The retry is urllib3's (and so that of the Kubernetes client for Python): five more tries, 0.1, 0.2, 0.4, 0.8 and 1.6
seconds after one another, on a lost connection, no answer for three seconds, and the codes 429, 502, 503, 504.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp

from upgrades.tally import Tally

PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)
TRY_SECONDS = 3.0
_AGAIN = (429, 502, 503, 504)

Ask = Callable[[int, int], Awaitable[None]]
"""One try of a request: its number, and which try of it this is. Raises where there is no good answer."""


class NoGoodAnswer(Exception):
    """A try had an answer that is no good."""


class Refused(Exception):
    """An answer that no client would ask again after."""


async def _one(number: int, ask: Ask, tally: Tally) -> None:
    tally.begin()
    started = time.monotonic()
    for tried, pause in enumerate((*PAUSES, None), start=1):
        try:
            await asyncio.wait_for(ask(number, tried - 1), TRY_SECONDS)
        except (OSError, EOFError, TimeoutError, aiohttp.ClientError, NoGoodAnswer) as error:
            why = f"{type(error).__name__}: {error}".strip(": ")
            tally.try_failed(str(error) if isinstance(error, NoGoodAnswer) else type(error).__name__)
            if pause is None:
                tally.fail(why)
                return
            await asyncio.sleep(pause)
        except Refused as error:
            tally.fail(str(error))
            return
        else:
            tally.answer(tried, time.monotonic() - started)
            return


async def keep_asking(ask: Ask, tally: Tally, stop: asyncio.Event) -> None:
    """Begin requests at the tally's rate until told to stop; then wait for those that are on their way."""
    begun = time.monotonic()
    on_their_way: set[asyncio.Task[None]] = set()
    for number in itertools.count():
        if stop.is_set():
            break
        await asyncio.sleep(max(0.0, begun + number / tally.rate - time.monotonic()))
        task = asyncio.create_task(_one(number, ask, tally))
        on_their_way.add(task)
        task.add_done_callback(on_their_way.discard)
    await asyncio.gather(*on_their_way)
    tally.end()


def service_client(addresses: Sequence[str], port: int) -> Ask:
    """Asks a Service through one machine's port after the other, each time over a new connection."""

    async def ask(number: int, tried: int) -> None:
        address = addresses[(number + tried) % len(addresses)]
        reader, writer = await asyncio.open_connection(address, port)
        try:
            writer.write(b"GET /word HTTP/1.0\r\nHost: web\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
        finally:
            writer.close()
        if not answer.startswith(b"HTTP/1.") or answer.split(b" ", 2)[1] != b"200":
            raise NoGoodAnswer(f"not a whole answer ({len(answer)} bytes)")
        if not answer.rstrip().endswith(b"well"):
            raise NoGoodAnswer("cut off")

    return ask


class Writes:
    """Makes ConfigMaps, each with a name of its own, and remembers which were acknowledged.

    Args:
        servers: where the API is: after a lost connection the next of them is asked.
        tls: with the administrator's certificate.
        namespace: where the ConfigMaps are made.
        prefix: what their names begin with.
    """

    def __init__(self, servers: Sequence[str], tls: ssl.SSLContext, namespace: str, prefix: str) -> None:
        self._prefix = prefix
        self._servers = list(servers)
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=0))
        self._server = 0
        self.acknowledged: set[str] = set()

    async def close(self) -> None:
        """Close its connections."""
        await self._session.close()

    async def _request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        server = self._servers[self._server % len(self._servers)]
        try:
            async with self._session.request(method, server + path, json=body) as answer:
                return answer.status, await answer.json()
        except (OSError, TimeoutError, aiohttp.ClientError, asyncio.CancelledError):
            self._server += 1
            raise

    async def ask(self, number: int, tried: int) -> None:
        """One try of a write. That it is there already is an answer only to who has asked for it before."""
        name = f"{self._prefix}-{number}"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"number": str(number)}}
        code, said = await self._request("POST", self._path, body)
        if code != 201 and not (code == 409 and tried):
            raise NoGoodAnswer(f"HTTP {code}") if code in _AGAIN else Refused(f"{name}: HTTP {code}: {said}")
        self.acknowledged.add(name)

    async def lost(self) -> list[str]:
        """The names of acknowledged writes that the cluster does not have."""
        code, found = await self._request("GET", self._path)
        if code != 200:
            raise RuntimeError(f"the ConfigMaps can't be listed: HTTP {code}: {found}")
        return sorted(self.acknowledged - {item["metadata"]["name"] for item in found["items"]})
