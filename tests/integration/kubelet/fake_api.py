"""A stand-in for the API server: just enough of it, in memory, for the kubelet to live against."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

Object = dict[str, Any]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class FakeApi:
    """Objects by collection path, with watches. ``allow`` answers SubjectAccessReviews, ``tokens`` TokenReviews."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}  # full path -> object
        self.version = 1
        self.watchers: list[tuple[str, dict[str, str], asyncio.Queue[Any]]] = []
        self.allow = True
        self.tokens: dict[str, Object] = {}
        self.requests: list[str] = []
        self.down = False
        self.sign: Any = None  # csr pem -> certificate pem
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on a loopback port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening; objects stay."""
        assert self._runner
        for *_, queue in self.watchers:
            queue.put_nowait(None)
        await self._runner.cleanup()

    # ---- storage

    def put(self, path: str, obj: Object, kind: str = "MODIFIED") -> Object:
        """Store an object and tell its watchers."""
        self.version += 1
        obj.setdefault("metadata", {})["resourceVersion"] = str(self.version)
        self.objects[path] = obj
        self._tell(path, kind, obj)
        return obj

    def drop(self, path: str) -> Object | None:
        """Forget an object and tell its watchers."""
        obj = self.objects.pop(path, None)
        if obj is not None:
            self.version += 1
            obj["metadata"]["resourceVersion"] = str(self.version)
            self._tell(path, "DELETED", obj)
        return obj

    def _tell(self, path: str, kind: str, obj: Object) -> None:
        for collection, fields, queue in self.watchers:
            if self._belongs(path, collection) and _matches(obj, fields):
                queue.put_nowait({"type": kind, "object": json.loads(json.dumps(obj))})

    @staticmethod
    def _belongs(path: str, collection: str) -> bool:
        base, _, plural = collection.rpartition("/")
        return path.startswith(f"{base}/") and path.split("/")[-2] == plural

    def create(self, collection: str, obj: Object) -> Object:
        """Create an object as the server would."""
        meta = obj["metadata"]
        meta.setdefault("uid", str(uuid.uuid4()))
        meta.setdefault("creationTimestamp", _now())
        parts = collection.strip("/").split("/")
        if "namespaces" in parts and parts[-1] != "namespaces":
            meta["namespace"] = parts[parts.index("namespaces") + 1]
        return self.put(f"{collection}/{meta['name']}", obj, "ADDED")

    def sign_waiting(self) -> None:
        """Sign the requests that came while there was no signer."""
        for path, obj in list(self.objects.items()):
            if "/certificatesigningrequests/" in path and "status" not in obj:
                pem = self.sign(base64.b64decode(obj["spec"]["request"]))
                self.put(path, {**obj, "status": {"certificate": base64.b64encode(pem).decode()}})

    def pod(self, name: str, spec: Object, node: str = "node-a", **metadata: Any) -> Object:
        """Create a pod bound to ``node``."""
        spec.setdefault("nodeName", node)
        spec.setdefault("restartPolicy", "Always")
        spec.setdefault("terminationGracePeriodSeconds", 30)
        spec.setdefault("enableServiceLinks", True)
        return self.create(
            "/api/v1/namespaces/default/pods",
            {"metadata": {"name": name, **metadata}, "spec": spec, "status": {"phase": "Pending"}},
        )

    def get_pod(self, name: str) -> Object | None:
        """A pod of the default namespace."""
        return self.objects.get(f"/api/v1/namespaces/default/pods/{name}")

    def delete_pod(self, name: str, grace: int | None = None) -> None:
        """Ask for a pod's end as kubectl delete does."""
        pod = self.objects[f"/api/v1/namespaces/default/pods/{name}"]
        seconds = pod["spec"]["terminationGracePeriodSeconds"] if grace is None else grace
        if seconds == 0 or not pod["spec"].get("nodeName"):
            self.drop(f"/api/v1/namespaces/default/pods/{name}")
            return
        pod["metadata"]["deletionTimestamp"] = _now()
        pod["metadata"]["deletionGracePeriodSeconds"] = seconds
        self.put(f"/api/v1/namespaces/default/pods/{name}", pod)

    def events(self, name: str) -> list[str]:
        """The reasons of the events about an object."""
        return [
            obj["reason"]
            for path, obj in self.objects.items()
            if "/events/" in path and obj["involvedObject"]["name"] == name
        ]

    async def until(self, condition: Any, what: str, deadline: float = 120) -> Any:
        """Wait until ``condition()`` is true and return what it gave."""
        found: Any = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while not (found := condition()):  # noqa: ASYNC110 - it lies in other processes
                    await asyncio.sleep(0.05)
                return found
        raise AssertionError(f"not within {deadline:g} s: {what}")

    # ---- HTTP

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path, query = request.path, request.query
        self.requests.append(f"{request.method} {path}")
        if self.down:
            return _status(503, "ServiceUnavailable", "down")
        body = json.loads(await request.read() or b"null")
        parts = path.strip("/").split("/")
        if request.method == "GET":
            if path in self.objects:
                kind = {"kind": "Pod", "apiVersion": "v1"} if "/pods/" in path else {}
                return web.json_response({**kind, **self.objects[path]})
            if query.get("watch"):
                return await self._watch(request)
            start = 2 if parts[0] == "api" else 3
            rest = parts[start:]
            if len(rest) in (1, 3) and (len(rest) == 1 or rest[0] == "namespaces"):
                fields = _fields(query.get("fieldSelector", ""))
                items = [o for p, o in self.objects.items() if self._belongs(p, path) and _matches(o, fields)]
                return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": items})
            return _status(404, "NotFound", f"{path} not found")
        if request.method == "POST":
            return self._post(path, body)
        subresource = parts[-1] if parts[-1] == "status" else ""
        target = path.removesuffix("/status") if subresource else path
        if target not in self.objects:
            return _status(404, "NotFound", f"{target} not found")
        stored = self.objects[target]
        if request.method == "PUT":
            return web.json_response(self.put(target, {**body, "metadata": {**stored["metadata"], **body["metadata"]}}))
        if request.method == "PATCH":
            if (uid := (body.get("metadata") or {}).get("uid")) and uid != stored["metadata"]["uid"]:
                return _status(409, "Conflict", "another object")
            changed = json.loads(json.dumps(stored))
            if subresource:
                changed["status"] = _merge(changed.get("status") or {}, body.get("status") or {})
            else:
                changed = _merge(changed, body)
            return web.json_response(self.put(target, changed))
        uid = ((body or {}).get("preconditions") or {}).get("uid")
        if uid and uid != stored["metadata"]["uid"]:
            return _status(409, "Conflict", "another object")
        return web.json_response(self.drop(target))

    def _post(self, path: str, body: Object) -> web.Response:
        if path.endswith("/tokenreviews"):
            user = self.tokens.get(body["spec"]["token"])
            return web.json_response({"status": {"authenticated": user is not None, "user": user}}, status=201)
        if path.endswith("/subjectaccessreviews"):
            return web.json_response({"status": {"allowed": self.allow}}, status=201)
        if path.endswith("/token"):
            until = (datetime.now(UTC) + timedelta(seconds=body["spec"]["expirationSeconds"])).isoformat()
            return web.json_response(
                {"status": {"token": f"token-{self.version}", "expirationTimestamp": until}}, status=201
            )
        if f"{path}/{body['metadata']['name']}" in self.objects:
            return _status(409, "AlreadyExists", "already exists")
        created = self.create(path, body)
        if path.endswith("/certificatesigningrequests") and self.sign:
            pem = self.sign(base64.b64decode(body["spec"]["request"]))
            created["status"] = {"certificate": base64.b64encode(pem).decode()}
            self.put(f"{path}/{body['metadata']['name']}", created)
        return web.json_response(created, status=201)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        entry = (request.path, _fields(request.query.get("fieldSelector", "")), queue)
        since = int(request.query.get("resourceVersion") or 0)
        for path, obj in self.objects.items():
            newer = int(obj["metadata"]["resourceVersion"]) > since
            if newer and self._belongs(path, request.path) and _matches(obj, entry[1]):
                queue.put_nowait({"type": "MODIFIED", "object": obj})
        self.watchers.append(entry)
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            while (event := await queue.get()) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self.watchers.remove(entry)
        return response


def _status(code: int, reason: str, message: str) -> web.Response:
    return web.json_response(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code},
        status=code,
    )


def _fields(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if part)


def _matches(obj: Object, fields: dict[str, str]) -> bool:
    for path, wanted in fields.items():
        value: Any = obj
        for part in path.split("."):
            value = (value or {}).get(part)
        if value != wanted:
            return False
    return True


def _merge(base: Any, patch: Any) -> Any:
    """A merge patch that takes lists whole, which is what the kubelet's own lists come to."""
    if not isinstance(patch, dict) or not isinstance(base, dict):
        return patch
    merged = dict(base)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = [each for each in value if not (isinstance(each, dict) and each.get("$patch") == "delete")]
        else:
            merged[key] = _merge(merged.get(key, {}), value) if isinstance(value, dict) else value
    return merged
