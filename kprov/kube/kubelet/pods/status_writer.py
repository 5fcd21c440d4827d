"""Brings pods' statuses into the API: only what changed, in order, and again until it is there."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import is_conflict, is_not_found
from kprov.kube.api.kinds import PODS
from kprov.kube.kubelet.api_failures import API_FAILURES
from kprov.kube.kubelet.pods.conditions import OWN_CONDITIONS

log = logging.getLogger(__name__)

Pod = dict[str, Any]
Status = dict[str, Any]
KEPT = (
    "phase",
    "qosClass",
    "startTime",
    "hostIP",
    "hostIPs",
    "podIP",
    "podIPs",
    "reason",
    "message",
    "conditions",
    "containerStatuses",
    "initContainerStatuses",
    "ephemeralContainerStatuses",
)


class StatusWriter:
    """One queue of pods whose status is to be written; the newest status wins."""

    def __init__(self, client: ApiClient, parallel: int = 4) -> None:
        """Write with ``client``, so many pods at once."""
        self._client = client
        self._wanted: dict[str, tuple[Pod, Status]] = {}
        self._written: dict[str, Status] = {}
        self._versions: dict[str, int] = {}  # of the pod as the last write left it
        self._done: dict[str, asyncio.Event] = {}
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._parallel = parallel

    def put(self, pod: Pod, status: Status) -> None:
        """See Statuses."""
        uid = pod["metadata"]["uid"]
        known = self.current(uid) or pod.get("status") or {}
        if not differs(known, status):
            self._written.setdefault(uid, status)
            return
        if uid not in self._wanted:
            self._queue.put_nowait(uid)
        self._wanted[uid] = (pod, status)
        self._done.setdefault(uid, asyncio.Event()).clear()

    def overruled(self, pod: Pod) -> bool:
        """See Statuses."""
        uid, seen = pod["metadata"]["uid"], pod.get("status") or {}
        written = self._written.get(uid)
        if written is None or uid in self._wanted or seen.get("phase") in ("Succeeded", "Failed"):
            return False
        version = str(pod["metadata"].get("resourceVersion") or "")
        if version.isdigit() and int(version) <= self._versions.get(uid, 0):
            return False  # older than what was written
        if _own_conditions(seen) == _own_conditions(written):
            return False
        self._written[uid] = seen
        return True

    async def flush(self, uid: str) -> None:
        """See Statuses."""
        if uid in self._wanted and (event := self._done.get(uid)):
            await event.wait()

    def forget(self, uid: str) -> None:
        """See Statuses."""
        self._wanted.pop(uid, None)
        self._written.pop(uid, None)
        self._versions.pop(uid, None)
        if event := self._done.pop(uid, None):
            event.set()

    async def run(self) -> None:
        """Write for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._parallel):
                group.create_task(self._work())

    async def _work(self) -> None:
        pause = 0.2
        while True:
            uid = await self._queue.get()
            if uid not in self._wanted:
                continue
            pod, status = self._wanted[uid]
            try:
                await self._write(pod, status)
                pause = 0.2
            except API_FAILURES as failure:
                if is_not_found(failure) or is_conflict(failure):
                    log.debug("pod %s is gone, or another of its name: %s", pod["metadata"]["name"], failure)
                else:
                    log.info(
                        "status of pod %s not written yet: %s",
                        pod["metadata"]["name"],
                        failure or type(failure).__name__,
                    )
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 5)
                    self._queue.put_nowait(uid)
                    continue
            if uid not in self._wanted:
                continue
            if self._wanted[uid][1] is not status:
                self._written[uid] = status
                self._queue.put_nowait(uid)
                continue
            del self._wanted[uid]
            self._written[uid] = status
            self._done[uid].set()

    async def _write(self, pod: Pod, status: Status) -> None:
        meta = pod["metadata"]
        base = self._written.get(meta["uid"]) or pod.get("status") or {}
        patch = {"metadata": {"uid": meta["uid"]}, "status": status_patch(base, status)}
        written = await self._client.patch(
            PODS, meta["name"], meta["namespace"], patch, patch_type="strategic", subresource="status"
        )
        version = str(written["metadata"].get("resourceVersion") or "")
        if version.isdigit():
            self._versions[meta["uid"]] = int(version)

    def current(self, uid: str) -> Status | None:
        """The newest status of a pod, written or not."""
        return self._wanted[uid][1] if uid in self._wanted else self._written.get(uid)


def differs(known: Status, status: Status) -> bool:
    """Whether the API must be told."""
    return any(_plain(known.get(key)) != _plain(status.get(key)) for key in KEPT)


def _own_conditions(status: Status) -> dict[str, str]:
    return {each["type"]: each["status"] for each in status.get("conditions") or [] if each["type"] in OWN_CONDITIONS}


def _plain(value: Any) -> Any:
    """Absent and empty are the same, as the API drops what is empty."""
    if isinstance(value, dict):
        return {
            key: plain for key, inner in value.items() if (plain := _plain(inner)) not in (None, {}, [], "", False, 0)
        }
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def status_patch(base: Status, status: Status) -> Status:
    """A strategic merge patch that makes ``status`` of ``base``; lists merged by key lose what is gone."""
    patch: Status = dict(status)
    for key in KEPT:
        if key in base and key not in status:
            patch[key] = None
    before = {each["type"]: each for each in base.get("conditions") or []}
    patch["conditions"] = [
        {**dict.fromkeys(before.get(each["type"], {}).keys() - each.keys()), **each}
        for each in status.get("conditions") or []
    ]
    for key in ("podIPs", "hostIPs"):
        new = [each["ip"] for each in status.get(key) or []]
        stale = [each["ip"] for each in base.get(key) or [] if each["ip"] not in new]
        if key in status and stale:
            patch[key] = [*status[key], *({"ip": address, "$patch": "delete"} for address in stale)]
    return patch
