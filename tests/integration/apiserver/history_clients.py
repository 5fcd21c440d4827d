"""Clients that write, read and watch at random, and note all of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp
from history_record import Event, Operation, Segment, State
from history_servers import Servers, insecure

PATH = "/api/v1/namespaces/default/configmaps"
KEYS = [f"history-{number}" for number in range(8)]
FENCE = "history-fence"
_SECONDS = 5.0
_OUTCOMES = {404: "missing", 503: "refused", 429: "refused", 401: "refused"}


class Client:
    """One client; each request goes to a server of its choice."""

    def __init__(self, servers: Servers, session: aiohttp.ClientSession, seed: int) -> None:
        self._servers, self._session = servers, session
        self.dice = random.Random(seed)
        self._values = (f"v{seed}-{number}" for number in itertools.count())
        self.operations: list[Operation] = []
        self.faults: list[str] = []  # answers that no server may give
        self._known: dict[str, int] = {}
        self._newest = 0

    async def work(self, going: Callable[[], bool]) -> None:
        """Requests at random."""
        while going():
            key = self.dice.choice(KEYS)
            kind = self.dice.choices(("update", "replace", "delete", "get", "list"), (6, 3, 1, 6, 2))[0]
            if kind == "get":
                await self.get(key, self.dice.choice((None, None, 0, self._newest)))
            elif kind == "list":
                await self.list(self.dice.choice((None, None, 0, self._newest)), self.dice.choice((0, 0, 3)))
            elif kind == "delete":
                await self.write(Operation("delete", key, 0.0))
            elif kind == "update" and (known := self._known.get(key)):
                await self.write(Operation("update", key, 0.0, next(self._values), known))
            else:
                kind = "create" if self.dice.random() < 0.5 else "replace"
                await self.write(Operation(kind, key, 0.0, next(self._values)))

    async def write(self, operation: Operation) -> Operation:
        """Send a write, and note how it ended."""
        key, kind = operation.key, operation.kind
        body: dict[str, Any] = {
            "metadata": {"name": key, "labels": {"tier": self.dice.choice("ab")}},
            "data": {"value": operation.value},
        }
        if kind == "update":
            body["metadata"]["resourceVersion"] = str(operation.asked)
        method = {"create": "POST", "delete": "DELETE"}.get(kind, "PUT")
        path = PATH if kind == "create" else f"{PATH}/{key}"
        answer = await self._send(operation, method, path, None if kind == "delete" else body)
        if operation.outcome == "conflict" and kind == "create":
            operation.outcome = "exists"
        if operation.outcome == "ok" and kind != "delete":
            operation.revision = self._known[key] = int(answer["metadata"]["resourceVersion"])
            self._newest = max(self._newest, operation.revision)
        elif operation.outcome in ("conflict", "missing", "exists") or kind == "delete":
            self._known.pop(key, None)
        return operation

    async def get(self, key: str, asked: int | None) -> None:
        """Read one object."""
        operation = Operation("get", key, 0.0, asked=asked)
        query = "" if asked is None else f"?resourceVersion={asked}"
        answer = await self._send(operation, "GET", f"{PATH}/{key}{query}")
        if operation.outcome == "ok":
            operation.revision = self._known[key] = int(answer["metadata"]["resourceVersion"])
            operation.value = answer["data"]["value"]
            self._newest = max(self._newest, operation.revision)

    async def list(self, asked: int | None, limit: int) -> Operation:
        """Read all of them, in pages where there is a limit."""
        operation = Operation("list", "", 0.0, asked=None if limit else asked)
        token = ""
        began = 0.0
        while True:
            query = f"?limit={limit}" + (f"&continue={quote(token)}" if token else "") if limit else "?"
            if not limit and asked is not None:
                query += f"resourceVersion={asked}"
            answer = await self._send(operation, "GET", PATH + query, keep=not token)
            began = began or operation.began
            if operation.outcome != "ok":
                break
            revision = int(answer["metadata"]["resourceVersion"])
            if token and revision != operation.revision:
                self.faults.append(f"a page of another list: {revision} after {operation.revision}")
            operation.revision = revision
            operation.seen |= _state(answer["items"])
            token = answer["metadata"].get("continue", "")
            if not token:
                self._newest = max(self._newest, revision)
                break
            await asyncio.sleep(0)
        operation.began = began
        return operation

    async def _send(
        self, operation: Operation, method: str, path: str, body: Any = None, *, keep: bool = True
    ) -> dict[str, Any]:
        operation.server = self.dice.randrange(len(self._servers.ports))
        url = f"https://127.0.0.1:{self._servers.ports[operation.server]}{path}"
        operation.began, answer = time.monotonic(), {}
        if keep:
            self.operations.append(operation)
        try:
            async with self._session.request(method, url, json=body) as response:
                answer = await response.json(content_type=None)
                operation.outcome = _outcome(response.status, answer)
                if response.status in (400, 403, 500):
                    self.faults.append(f"{method} {path}: {answer}")
                operation.said = "" if response.status < 300 else str(answer.get("message", ""))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            operation.outcome, operation.said = "unknown", str(error)
            await asyncio.sleep(0.02)  # it is down: the others get on
        operation.ended = time.monotonic()
        return answer


def _outcome(status: int, answer: dict[str, Any]) -> str:
    if status < 300:
        return "ok"
    if status == 409:
        return "exists" if answer.get("reason") == "AlreadyExists" else "conflict"
    return _OUTCOMES.get(status, "unknown")


def _state(items: list[dict[str, Any]]) -> State:
    return {
        item["metadata"]["name"]: (int(item["metadata"]["resourceVersion"]), item["data"]["value"])
        for item in items
        if item["metadata"]["name"].startswith("history-")
    }


class Watcher:
    """Lists, watches, and goes on at another server where one breaks off."""

    def __init__(self, servers: Servers, session: aiohttp.ClientSession, seed: int, tier: str = "") -> None:
        self._servers, self._session, self.tier = servers, session, tier
        self._client = Client(servers, session, seed)
        self._name = f"watcher {seed}"
        self.segments: list[Segment] = []
        self.connections = 0

    @property
    def operations(self) -> list[Operation]:
        """Its lists."""
        return self._client.operations

    @property
    def faults(self) -> list[str]:
        """Answers that no server may give."""
        return self._client.faults

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            listed = await self._client.list(self._client.dice.choice((None, 0)), 0)
            if listed.outcome != "ok":
                continue
            segment = Segment(self._name, listed.revision, listed.revision, self.tier)
            self.segments.append(segment)
            goes_on = True
            while goes_on:
                goes_on = await self._connect(segment)

    async def _connect(self, segment: Segment) -> bool:
        """One connection; whether the segment can go on after it."""
        port = self._servers.ports[self._client.dice.randrange(len(self._servers.ports))]
        seconds = self._client.dice.choice((1, 3, 300))  # so that many watches end, and go on elsewhere
        query = f"watch=1&resourceVersion={segment.reached}&allowWatchBookmarks=true&timeoutSeconds={seconds}"
        if self.tier:
            query += f"&labelSelector=tier%3D{self.tier}"
        self.connections += 1
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_SECONDS, sock_read=None)
        try:
            url = f"https://127.0.0.1:{port}{PATH}?{query}"
            async with self._session.get(url, timeout=timeout) as response:
                if response.status == 410:
                    return False
                if response.status != 200:
                    return True
                async for line in response.content:
                    if not self._take(segment, json.loads(line)):
                        return False
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            pass  # a line that was cut off is sent again by who goes on
        return True

    def _take(self, segment: Segment, event: dict[str, Any]) -> bool:
        obj = event["object"]
        if event["type"] == "ERROR":
            if obj.get("code") != 410:
                self.faults.append(f"{self._name}: {obj}")
            return False
        revision = int(obj["metadata"]["resourceVersion"])
        if event["type"] != "BOOKMARK" and obj["metadata"]["name"].startswith("history-"):
            segment.events.append(Event(event["type"], obj["metadata"]["name"], revision, obj["data"]["value"]))
        segment.reached = max(segment.reached, revision)
        return True


def session(servers: Servers) -> aiohttp.ClientSession:
    """A session for all clients."""
    return aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {servers.token}", "User-Agent": "history"},
        connector=aiohttp.TCPConnector(ssl=insecure(), limit=0),
        timeout=aiohttp.ClientTimeout(total=_SECONDS),
        read_bufsize=1 << 20,
    )
