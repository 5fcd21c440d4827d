"""The pods that wait for a place: ready ones by priority, failed ones after a pause, hopeless ones until something
changes.

As upstream: a pod that no node would take waits until an event that could help; events that none of its rejections
rests on leave it alone; after five minutes it is tried again in any case.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kprov.kube.scheduler.instruments import INCOMING
from kprov.kube.scheduler.pod_info import PodInfo

_FLUSH_EVERY = 30.0
_ADDED, _FAILED = "PodAdd", "ScheduleAttemptFailure"  # upstream's names of events


@dataclass(slots=True)
class QueuedPod:
    """A pod in the queue and its history there."""

    pod: PodInfo
    added: float
    attempts: int = 0
    failed_at: float = 0.0
    blamed: frozenset[str] = field(default_factory=frozenset)
    seen_events: int = 0


class SchedulingQueue:
    """Pods that wait for a place, by uid.

    Args:
        initial_backoff: seconds that a pod pauses after its first failure.
        max_backoff: the longest pause.
        now: the clock, in seconds.
        flush_after: seconds that a hopeless pod waits without any event.
    """

    def __init__(
        self,
        initial_backoff: float = 1.0,
        max_backoff: float = 10.0,
        now: Callable[[], float] | None = None,
        *,
        flush_after: float = 300.0,
    ) -> None:
        self._flush_after = flush_after
        self._initial_backoff, self._max_backoff = initial_backoff, max_backoff
        self._now = now or asyncio.get_running_loop().time
        self._sequence = itertools.count()
        self._entries: dict[str, QueuedPod] = {}
        self._active: list[tuple[int, float, int, str]] = []
        self._is_active: set[str] = set()
        self._backoff: dict[str, float] = {}
        self._hopeless: set[str] = set()
        self._gated: set[str] = set()
        self._in_flight: dict[str, QueuedPod] = {}
        self._events: list[frozenset[str] | None] = []
        self._events_before = 0
        self._changed = asyncio.Event()

    # -- what is there --------------------------------------------------------------------------------------------

    @property
    def lengths(self) -> dict[str, int]:
        """How many pods wait in each part, by upstream's names."""
        return {
            "active": len(self._is_active),
            "backoff": len(self._backoff),
            "unschedulable": len(self._hopeless),
            "gated": len(self._gated),
        }

    def hopeless(self) -> list[QueuedPod]:
        """The pods that no node would take, as things are."""
        return [self._entries[uid] for uid in self._hopeless]

    def age(self, entry: QueuedPod) -> float:
        """For how many seconds a pod has been waiting for its place."""
        return self._now() - entry.added

    def __contains__(self, uid: str) -> bool:
        return uid in self._entries or uid in self._in_flight

    # -- in and out -----------------------------------------------------------------------------------------------

    def add(self, pod: PodInfo) -> None:
        """A pod that wants a place, new or changed. Gated ones wait for their gates to be removed."""
        if entry := self._in_flight.get(pod.uid):
            entry.pod = pod
            return
        entry = self._entries.get(pod.uid) or QueuedPod(pod, self._now())
        entry.pod = pod
        was_known = pod.uid in self._entries
        self._entries[pod.uid] = entry
        if pod.spec.get("schedulingGates"):
            self._leave(pod.uid)
            self._gated.add(pod.uid)
            if not was_known:
                INCOMING.inc(_ADDED, "gated")
        elif not was_known or pod.uid in self._gated:
            self._leave(pod.uid)
            self._activate(entry, _ADDED)

    def update(self, pod: PodInfo) -> None:
        """A waiting pod's specification or labels changed: that alone may be what it waited for."""
        self.add(pod)
        if pod.uid in self._hopeless:
            self._move(pod.uid)

    def refresh(self, pod: PodInfo) -> None:
        """A waiting pod's object changed in nothing that matters here."""
        entry = self._entries.get(pod.uid) or self._in_flight.get(pod.uid)
        if entry:
            entry.pod = pod

    def remove(self, uid: str) -> None:
        """A pod that wants no place any more."""
        self._leave(uid)
        self._entries.pop(uid, None)
        self._in_flight.pop(uid, None)

    async def pop(self) -> QueuedPod:
        """The next pod to decide about: the highest priority first, then the longest waiting."""
        while True:
            entry = self.pop_ready()
            if entry:
                return entry
            self._changed.clear()
            try:
                async with asyncio.timeout(self._until_next()):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def pop_ready(self) -> QueuedPod | None:
        """As :meth:`pop`, or None where no pod is ready."""
        self._end_pauses()
        while self._active:
            uid = heapq.heappop(self._active)[-1]
            if uid in self._is_active:
                self._is_active.discard(uid)
                entry = self._entries.pop(uid)
                entry.attempts += 1
                entry.seen_events = self._events_before + len(self._events)
                self._in_flight[uid] = entry
                return entry
        return None

    def done(self, entry: QueuedPod) -> None:
        """The pod has a place."""
        self._in_flight.pop(entry.pod.uid, None)
        self._trim_events()

    def failed(self, entry: QueuedPod, blamed: frozenset[str]) -> None:
        """No node would take the pod; `blamed` are the plugins whose rejections this rests on."""
        uid = entry.pod.uid
        if self._in_flight.pop(uid, None) is None:
            return  # deleted meanwhile
        entry.failed_at, entry.blamed = self._now(), blamed
        self._entries[uid] = entry
        missed = self._events[max(0, entry.seen_events - self._events_before) :]
        if not blamed or any(_concerns(event, blamed) for event in missed):
            self._pause(uid, _FAILED)  # what could help happened while the decision was being made
        else:
            self._hopeless.add(uid)
            INCOMING.inc(_FAILED, "unschedulable")
            self._changed.set()
        self._trim_events()

    def event(self, plugins: Iterable[str] | None) -> None:
        """Something changed in the cluster that could help pods rejected by these plugins; None: by any."""
        concerned = None if plugins is None else frozenset(plugins)
        if self._in_flight:
            self._events.append(concerned)
        for uid in [uid for uid in self._hopeless if _concerns(concerned, self._entries[uid].blamed)]:
            self._move(uid)

    # -- parts ----------------------------------------------------------------------------------------------------

    def _activate(self, entry: QueuedPod, event: str) -> None:
        pod = entry.pod
        INCOMING.inc(event, "active")
        self._is_active.add(pod.uid)
        heapq.heappush(self._active, (-pod.priority, entry.added, next(self._sequence), pod.uid))
        self._changed.set()

    def _pause_of(self, entry: QueuedPod) -> float:
        return min(self._initial_backoff * 2.0 ** max(0, min(entry.attempts - 1, 30)), self._max_backoff)

    def _pause(self, uid: str, event: str) -> None:
        entry = self._entries[uid]
        until = entry.failed_at + self._pause_of(entry)
        if until <= self._now():
            self._activate(entry, event)
        else:
            self._backoff[uid] = until
            INCOMING.inc(event, "backoff")
            self._changed.set()

    def _move(self, uid: str, event: str = "ClusterEvent") -> None:
        self._hopeless.discard(uid)
        self._pause(uid, event)

    def _leave(self, uid: str) -> None:
        self._is_active.discard(uid)
        self._backoff.pop(uid, None)
        self._hopeless.discard(uid)
        self._gated.discard(uid)

    def _end_pauses(self) -> None:
        if not self._backoff and not self._hopeless:
            return
        now = self._now()
        for uid in [uid for uid, until in self._backoff.items() if until <= now]:
            del self._backoff[uid]
            self._activate(self._entries[uid], "BackoffComplete")
        for uid in [uid for uid in self._hopeless if now - self._entries[uid].failed_at >= self._flush_after]:
            self._move(uid, "UnschedulableTimeout")

    def _until_next(self) -> float | None:
        if self._backoff:
            return max(0.001, min(self._backoff.values()) - self._now())
        return _FLUSH_EVERY if self._hopeless else None

    def _trim_events(self) -> None:
        if not self._in_flight:
            self._events_before += len(self._events)
            self._events.clear()


def _concerns(event: frozenset[str] | None, blamed: frozenset[str]) -> bool:
    return event is None or not blamed or not event.isdisjoint(blamed)
