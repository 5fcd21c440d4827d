"""The shape that all controllers share: informers feed keys into a queue, workers reconcile one key at a time.

A controller is level-triggered: a key only says where to look, and ``reconcile`` compares what is with what should be.
Two workers never hold the same key (the queue sees to it); a key that failed comes back with growing delays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import aiohttp

from kprov.kube.api.client import ApiClient
from kprov.kube.api.errors import ApiError, is_conflict, is_not_found
from kprov.kube.api.events import EventRecorder
from kprov.kube.api.informer import Informer, key_of
from kprov.kube.api.informer_factory import InformerFactory
from kprov.kube.api.kinds import Resource
from kprov.kube.api.workqueue import QueueShutDown, WorkQueue
from kprov.kube.controllers.options import Options
from kprov.kube.controllers.ownership import controller_of

Object = dict[str, Any]
log = logging.getLogger(__name__)

OWNER_INDEX = "controller-uid"
ORPHANS = "orphans/"
NODE_INDEX = "node-name"
RETRY_SECONDS = 3.0


def owner_keys(obj: Object) -> Iterable[str]:
    """Index values of an object: its controller's uid, or its namespace's pool of orphans."""
    owner = controller_of(obj)
    if owner is not None:
        return (owner["uid"],)
    return (ORPHANS + obj["metadata"].get("namespace", ""),)


def node_keys(pod: Object) -> Iterable[str]:
    """Index values of a pod: the node that it is bound to."""
    name = pod["spec"].get("nodeName")
    return (name,) if name else ()


@dataclass
class Context:
    """What the composition root gives to every controller.

    ``client_for`` answers with the client of a service account of kube-system (or with the one client, when the
    controllers share the daemon's own credentials).
    """

    client: ApiClient
    informers: InformerFactory
    options: Options
    client_for: Callable[[str], ApiClient]
    shared: set[Resource] = field(default_factory=set)  # kinds that some controller keeps whole

    def informer(self, resource: Resource, **selectors: Any) -> Informer:
        """The shared informer of a kind."""
        if not selectors:
            self.shared.add(resource)
        return self.informers.informer(resource, **selectors)

    def indexed(self, resource: Resource, name: str, keys: Callable[[Object], Iterable[str]]) -> Informer:
        """The shared informer of a kind, with an index that several controllers may ask for."""
        informer = self.informer(resource)
        informer.add_index(name, keys)
        return informer


class Controller:
    """One reconciliation loop.

    Subclasses set ``name`` (upstream's name, as ``--controllers`` takes it), ``account`` (its service account), take
    informers with :meth:`watch` in their constructor, and write :meth:`reconcile`.
    """

    name: ClassVar[str]
    account: ClassVar[str]
    component: ClassVar[str] = ""  # the source of its events; empty where it records none
    workers: ClassVar[int] = 5

    def __init__(self, context: Context) -> None:
        self.context = context
        self.client = context.client_for(self.account)
        self.queue = WorkQueue(self.name)
        self.worker_count = self.workers
        self.recorder = EventRecorder(self.client, self.component or self.account)
        self._informers: list[Informer] = []

    def watch(
        self,
        resource: Resource,
        *,
        owned: bool = False,
        on_add: Callable[[Object], None] | None = None,
        on_update: Callable[[Object, Object], None] | None = None,
        on_delete: Callable[[Object], None] | None = None,
        **selectors: Any,
    ) -> Informer:
        """The shared informer of a kind, with this controller's handlers; workers wait until it has synced."""
        if owned:
            informer = self.context.indexed(resource, OWNER_INDEX, owner_keys)
        else:
            informer = self.context.informer(resource, **selectors)
        if on_add or on_update or on_delete:
            informer.add_handler(on_add=on_add, on_update=on_update, on_delete=on_delete)
        if informer not in self._informers:
            self._informers.append(informer)
        return informer

    def watch_keys(self, resource: Resource, **selectors: Any) -> Informer:
        """Like :meth:`watch`, where each change of an object queues that object's own key."""
        return self.watch(
            resource,
            on_add=self.enqueue,
            on_update=lambda _, new: self.enqueue(new),
            on_delete=self.enqueue,
            **selectors,
        )

    def enqueue(self, obj: Object) -> None:
        """Queue an object's key."""
        self.queue.add(key_of(obj))

    async def reconcile(self, key: str) -> None:
        """Make what is into what should be, for one key. Raises to be called again later."""
        raise NotImplementedError

    def loops(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Further loops that run beside the workers."""
        return ()

    async def synced(self) -> None:
        """Wait until every informer of this controller has its first list."""
        for informer in self._informers:
            await informer.wait_synced()

    async def run(self) -> None:
        """Run the workers until cancelled."""
        await self.synced()
        try:
            async with asyncio.TaskGroup() as group:
                for loop in self.loops():
                    group.create_task(loop)
                for _ in range(self.worker_count):
                    group.create_task(self._work())
        finally:
            self.queue.shut_down()

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except QueueShutDown:
                return
            await self.process(key)

    async def process(self, key: str) -> None:
        """Reconcile one key that was taken from the queue, and settle its return."""
        try:
            await self.reconcile(key)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if isinstance(error, ApiError) and (is_conflict(error) or is_not_found(error)):
                # The cache was behind; the watch event that is under way brings the truth.
                log.debug("%s: %s: %s", self.name, key, error)
            elif isinstance(error, ApiError):
                log.warning("%s: %s: %s", self.name, key, error)
            elif isinstance(error, aiohttp.ClientError | TimeoutError):
                log.warning("%s: %s: no answer: %s", self.name, key, error or type(error).__name__)
            else:
                log.exception("%s: %s", self.name, key)
            self.queue.add_rate_limited(key)
        else:
            self.queue.forget(key)
        finally:
            self.queue.done(key)


async def every(seconds: float, action: Callable[[], Coroutine[Any, Any, None]], what: str) -> None:
    """Run an action for ever, ``seconds`` apart; an error is logged, and the action tried again soon."""
    while True:
        pause = seconds
        try:
            await action()
        except asyncio.CancelledError:
            raise
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("%s: %s", what, error or type(error).__name__)
            pause = min(seconds, RETRY_SECONDS)
        except Exception:
            log.exception("%s", what)
            pause = min(seconds, RETRY_SECONDS)
        await asyncio.sleep(pause)
