"""Events: what a component tells people about an object, as ``kubectl describe`` shows it.

Recording never waits and never raises: events are for people, and no work may fail or stall for want of one. What
repeats is counted on one Event (PATCH) instead of filling etcd, and each object has a budget.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from typing import Any

import aiohttp

from kprov.kube.api.client import ApiClient
from kprov.kube.api.clock import now
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import EVENTS, Object

log = logging.getLogger(__name__)

_QUEUE_LIMIT = 1000
_REMEMBERED = 1024  # events whose repetitions are still counted
_SIMILAR_LIMIT, _SIMILAR_WINDOW = 10, 600.0  # from then on, differing messages are combined
_BURST, _REFILL = 25.0, 1 / 300  # per object: a burst, then one in five minutes
_ATTEMPTS = 3


class EventRecorder:
    """Records events of one component.

    Args:
        client: the API server.
        component: who speaks, as ``kubelet``.
        host: the node it speaks from.
    """

    def __init__(self, client: ApiClient, component: str, host: str | None = None) -> None:
        self._client = client
        self._component = component
        self._host = host
        self._queue: asyncio.Queue[Object] = asyncio.Queue(_QUEUE_LIMIT)
        self._worker: asyncio.Task[None] | None = None
        self._written: OrderedDict[tuple[str, ...], Object] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], tuple[float, set[str]]] = OrderedDict()
        self._budgets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._sequence = 0

    def event(self, obj: Object, kind: str, reason: str, message: str) -> None:
        """Record an event about an object, without waiting.

        Args:
            obj: the object, or a reference to it (kind, apiVersion, metadata).
            kind: Normal or Warning.
            reason: one CamelCase word for machines.
            message: the sentence for people.
        """
        try:
            self._queue.put_nowait(self._make(obj, kind, reason, message))
            if self._worker is None or self._worker.done():
                self._worker = asyncio.get_running_loop().create_task(self._work(), name="events")
        except asyncio.QueueFull:
            log.debug("event dropped, the queue is full: %s %s", reason, message)
        except Exception:
            log.exception("event dropped: %s %s", reason, message)

    async def flush(self, timeout: float = 5.0) -> None:
        """Wait until all recorded events are written, for so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), timeout)

    async def close(self) -> None:
        """Write what is waiting, shortly, and stop."""
        if self._worker:
            await self.flush(2.0)
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def _make(self, obj: Object, kind: str, reason: str, message: str) -> Object:
        metadata = obj["metadata"]
        moment = now()
        self._sequence += 1
        reference = {
            "kind": obj.get("kind", ""),
            "namespace": metadata.get("namespace", ""),
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
            "apiVersion": obj.get("apiVersion", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
        }
        if path := obj.get("fieldPath"):
            reference["fieldPath"] = path
        source = {"component": self._component}
        if self._host:
            source["host"] = self._host
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name'][:200]}.{time.time_ns() + self._sequence:x}",
                "namespace": metadata.get("namespace") or "default",
            },
            "involvedObject": {key: text for key, text in reference.items() if text},
            "reason": reason,
            "message": message[:1024],
            "source": source,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
            "type": kind,
            "reportingComponent": self._component,
            "reportingInstance": self._host or "",
        }

    async def _work(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                await self._write(event)
            except Exception as error:
                log.warning("event %s %r was not written: %s", event["reason"], event["message"], error)
            finally:
                self._queue.task_done()

    async def _write(self, event: Object) -> None:
        self._combine_similar(event)
        key = _identity(event, event["message"])
        known = self._written.get(key)
        if not self._allowed(event["involvedObject"].get("uid") or event["involvedObject"]["name"]):
            return
        if known is not None:
            count = known["count"] + 1
            change = {"count": count, "lastTimestamp": event["lastTimestamp"], "message": event["message"]}
            try:
                where = known["metadata"]
                await self._send("PATCH", EVENTS.path(where["namespace"], where["name"]), change)
                known["count"] = count
                self._written.move_to_end(key)
                return
            except ApiError as error:
                if not is_not_found(error):
                    raise
                event["count"] = count  # it expired: go on counting on a new one
                event["firstTimestamp"] = known["firstTimestamp"]
        await self._send("POST", EVENTS.path(event["metadata"]["namespace"]), event)
        self._written[key] = {name: event[name] for name in ("metadata", "count", "firstTimestamp")}
        while len(self._written) > _REMEMBERED:
            self._written.popitem(last=False)

    async def _send(self, method: str, path: str, body: Any) -> None:
        """Send one, patiently; an Event has a name of its own, so sending it again after a lost reply is harmless."""
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        for attempt in range(_ATTEMPTS):
            try:
                await self._client.request(method, path, body=body, content_type=kind)
                return
            except (aiohttp.ClientError, TimeoutError):
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(1.0)
            except ApiError as error:
                if error.reason == "AlreadyExists" and attempt:
                    return
                raise

    def _combine_similar(self, event: Object) -> None:
        """Give events that differ only in their message one common identity, once there are many."""
        group = _identity(event, "")
        moment = time.monotonic()
        since, messages = self._similar.pop(group, (moment, set()))
        if moment - since > _SIMILAR_WINDOW:
            since, messages = moment, set()
        if len(messages) <= _SIMILAR_LIMIT:
            messages.add(event["message"])
        self._similar[group] = (since, messages)
        while len(self._similar) > _REMEMBERED:
            self._similar.popitem(last=False)
        if len(messages) > _SIMILAR_LIMIT:
            event["message"] = f"(combined from similar events): {event['message']}"[:1024]

    def _allowed(self, about: str) -> bool:
        moment = time.monotonic()
        left, since = self._budgets.pop(about, (_BURST, moment))
        left = min(_BURST, left + (moment - since) * _REFILL)
        allowed = left >= 1.0
        self._budgets[about] = (left - 1.0 if allowed else left, moment)
        while len(self._budgets) > _REMEMBERED:
            self._budgets.popitem(last=False)
        return allowed


def _identity(event: Object, message: str) -> tuple[str, ...]:
    about = event["involvedObject"]
    if message.startswith("(combined from similar events): "):
        message = "(combined)"
    fields = ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")
    return (*(about.get(name, "") for name in fields), event["type"], event["reason"], message)
