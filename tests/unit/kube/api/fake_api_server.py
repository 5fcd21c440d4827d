"""An API server in memory, good enough to try clients against: objects, versions, watches, and faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from aiohttp import web

Fault = Callable[[web.Request], web.StreamResponse | None]


def status(code: int, reason: str, message: str = "", **details: Any) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
    }
    return web.json_response({**body, "details": details} if details else body, status=code)


def merge(target: Any, patch: Any) -> Any:
    """A merge patch; conditions are merged by type, as a strategic one does."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif key == "conditions":
            by_type = {c["type"]: c for c in result.get(key, [])}
            for condition in value:
                by_type[condition["type"]] = {**by_type.get(condition["type"], {}), **condition}
            result[key] = list(by_type.values())
        else:
            result[key] = merge(result.get(key), value)
    return result


class FakeApiServer:
    """Keeps objects by path and tells watchers; ``fault`` may answer a request instead."""

    def __init__(self) -> None:
        self.revision = itertools.count(1)
        self.current = 0
        self.objects: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[int, str, dict[str, Any]]] = []
        self.compacted = 0
        self.changed = asyncio.Condition()
        self.requests: list[tuple[str, str]] = []
        self.fault: Fault | None = None
        self.watching = 0
        self.cut = asyncio.Event()
        self.url = ""
        self._stamp()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[FakeApiServer]:
        runner = web.ServerRunner(web.Server(self.handle, handler_cancellation=True), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self.cut.set()
            await runner.cleanup()

    # -- for tests ------------------------------------------------------------------------------------------------

    async def put(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        known = path in self.objects
        uid = self.objects[path]["metadata"]["uid"] if known else str(uuid.uuid4())
        obj.setdefault("metadata", {}).setdefault("uid", uid)
        obj["metadata"]["resourceVersion"] = str(self._stamp())
        self.objects[path] = obj
        await self._tell("MODIFIED" if known else "ADDED", path, obj)
        return obj

    async def drop(self, path: str) -> None:
        obj = self.objects.pop(path)
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._stamp())}}
        await self._tell("DELETED", path, obj)

    async def forget_history(self) -> None:
        self.compacted = self.current
        self.history.clear()
        await self.cut_watches()

    async def cut_watches(self) -> None:
        self.cut.set()
        self.cut = asyncio.Event()
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], Any], message: str = "the condition never held") -> None:
        for _ in range(1000):
            if condition():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(message)

    # -- the wire -------------------------------------------------------------------------------------------------

    def _stamp(self) -> int:
        self.current = next(self.revision)
        return self.current

    async def _tell(self, kind: str, path: str, obj: dict[str, Any]) -> None:
        self.history.append((self.current, path, {"type": kind, "object": obj}))
        async with self.changed:
            self.changed.notify_all()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        self.requests.append((request.method, path))
        if self.fault and (answer := self.fault(request)):  # type: ignore[arg-type]
            return answer
        match request.method:
            case "GET" if path in self.objects:
                return web.json_response(self.objects[path])
            case "GET" if request.query.get("watch"):
                return await self._watch(request)
            case "GET" if self._is_collection(path):
                items = [obj for where, obj in self.objects.items() if self._within(path, where)]
                listed = {"kind": "List", "metadata": {"resourceVersion": str(self.current)}, "items": items}
                return web.Response(body=orjson.dumps(listed), content_type="application/json")
            case "POST" if path.endswith("/binding"):
                return await self._bind(path.removesuffix("/binding"), await request.json())
            case "POST":
                obj = await request.json()
                where = f"{path}/{obj['metadata']['name']}"
                if where in self.objects:
                    return status(409, "AlreadyExists")
                return web.json_response(await self.put(where, obj), status=201)
            case "PUT":
                return await self._update(path, await request.json())
            case "PATCH":
                where = path.removesuffix("/status")
                if where not in self.objects:
                    return status(404, "NotFound")
                return web.json_response(await self.put(where, merge(self.objects[where], await request.json())))
            case "DELETE" if path in self.objects:
                await self.drop(path)
                return web.json_response({"kind": "Status", "status": "Success"})
        return status(404, "NotFound", f"{path} not found")

    @staticmethod
    def _is_collection(path: str) -> bool:
        return len(path.strip("/").split("/")) in ((3, 5) if path.startswith("/api/") else (4, 6))

    @staticmethod
    def _within(collection: str, path: str) -> bool:
        head, _, plural = collection.rpartition("/")
        parts = path.split("/")
        return path.startswith(f"{collection}/") or (path.startswith(f"{head}/namespaces/") and parts[-2] == plural)

    async def _bind(self, path: str, binding: dict[str, Any]) -> web.StreamResponse:
        pod = self.objects.get(path)
        if pod is None:
            return status(404, "NotFound")
        if pod["spec"].get("nodeName"):
            return status(409, "Conflict", "already assigned")
        await self.put(path, merge(pod, {"spec": {"nodeName": binding["target"]["name"]}}))
        return web.json_response({"kind": "Status", "status": "Success"}, status=201)

    async def _update(self, path: str, obj: dict[str, Any]) -> web.StreamResponse:
        old = self.objects.get(path)
        if old is None:
            return status(404, "NotFound")
        if obj["metadata"].get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            return status(409, "Conflict", "the object has been modified")
        return web.json_response(await self.put(path, obj))

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        since, cut = int(request.query["resourceVersion"]), self.cut
        if since < self.compacted:
            return status(410, "Expired", "too old resource version")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self.watching += 1
        try:
            while not cut.is_set():
                for revision, path, event in list(self.history):
                    if revision > since and self._within(request.path, path):
                        await response.write(orjson.dumps(event) + b"\n")
                        since = revision
                async with self.changed:
                    if not any(r > since and self._within(request.path, p) for r, p, _ in self.history):
                        await self.changed.wait()
        finally:
            self.watching -= 1
        return response
