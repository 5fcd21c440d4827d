"""Leader election on a Lease, with client-go's semantics.

A candidate measures the age of another's claim by its own clock, from the moment when it saw the claim change: clocks
of machines need not agree. Every write is guarded by resourceVersion, so of two candidates one fails. Losing the
lease ends the daemon: what it began under the lease must not go on beside the new leader.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

import aiohttp

from kprov.kube.api.client import ApiClient
from kprov.kube.api.clock import now_micro
from kprov.kube.api.errors import ApiError, is_already_exists, is_conflict, is_not_found
from kprov.kube.api.kinds import LEASES, Object
from kprov.kube.api.metrics import REGISTRY

log = logging.getLogger(__name__)

_MASTER = REGISTRY.gauge(
    "leader_election_master_status",
    "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master.",
    ("name",),
)
_SLOW = REGISTRY.counter(
    "leader_election_slowpath_total",
    "Total number of slow path exercised in renewing leader leases.",
    ("name",),
)


class LeadershipLost(Exception):
    """Another may lead now: stop at once."""


class LeaderElector:
    """Takes part in an election.

    Args:
        client: the API server.
        namespace: the Lease's namespace.
        name: the Lease's name.
        identity: this candidate, unique among them, as ``host_uuid``.
        lease_duration: seconds after which others may take an unrenewed lease.
        renew_deadline: seconds within which the leader must renew, or gives up.
        retry_period: seconds between two attempts.
        release_on_cancel: give the lease back on a clean stop, so that another leads at once.
    """

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        name: str,
        identity: str,
        lease_duration: float = 15,
        renew_deadline: float = 10,
        retry_period: float = 2,
        *,
        release_on_cancel: bool = True,
    ) -> None:
        if not lease_duration > renew_deadline > retry_period * 1.2:
            raise ValueError("lease duration > renew deadline > 1.2 * retry period must hold")
        self.identity = identity
        self.lease_duration = lease_duration
        self.renew_deadline = renew_deadline
        self.retry_period = retry_period
        self._client = client
        self._namespace, self._name = namespace, name
        self._release_on_cancel = release_on_cancel
        self._observed: Object | None = None
        self._observed_spec: Object | None = None
        self._observed_at = 0.0
        _MASTER.set(0, name)
        _SLOW.inc(name, by=0)

    @property
    def leader(self) -> str:
        """Who held the lease when it was last seen; empty where nobody did."""
        return str((self._observed_spec or {}).get("holderIdentity") or "")

    @property
    def is_leader(self) -> bool:
        """Whether this candidate held it."""
        return self.leader == self.identity

    async def run(self, on_started: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lease, lead while it can be renewed, give it back at the end.

        Args:
            on_started: the work of the leader; cancelled when the lease is lost. Its end ends the leadership.

        Raises:
            LeadershipLost: the lease could not be renewed in time.
        """
        await self._acquire()
        log.info("%s became leader of %s/%s", self.identity, self._namespace, self._name)
        _MASTER.set(1, self._name)
        work = asyncio.ensure_future(on_started())
        renewing = asyncio.ensure_future(self._keep_renewing())
        held = True
        try:
            done, _ = await asyncio.wait((work, renewing), return_when=asyncio.FIRST_COMPLETED)
            held = renewing not in done
        finally:
            _MASTER.set(0, self._name)
            for task in (work, renewing):
                task.cancel()
            await asyncio.gather(work, renewing, return_exceptions=True)
            if held and self._release_on_cancel:
                await self._release()
        if not held:
            raise LeadershipLost(f"the lease {self._namespace}/{self._name} could not be renewed")
        work.result()

    async def _acquire(self) -> None:
        while not await self._try("acquire"):  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(self.retry_period * random.uniform(1.0, 2.2))

    async def _keep_renewing(self) -> None:
        """Renew until a deadline passes without a success."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(self.retry_period)
            if await self._try("renew", limit=max(0.5, renewed + self.renew_deadline - loop.time())):
                renewed = loop.time()
            elif loop.time() - renewed >= self.renew_deadline or (self.leader and not self.is_leader):
                log.error("%s lost the lease %s/%s", self.identity, self._namespace, self._name)
                return

    async def _try(self, what: str, limit: float | None = None) -> bool:
        try:
            async with asyncio.timeout(limit or self.renew_deadline):
                return await self._acquire_or_renew()
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning(
                "failed to %s lease %s/%s: %s", what, self._namespace, self._name, error or type(error).__name__
            )
            return False

    def _observe(self, lease: Object) -> None:
        """Remember when a claim was first seen, by this machine's own clock."""
        spec = lease.get("spec") or {}
        if self._observed_spec != spec:
            before = self.leader
            self._observed_spec = spec
            self._observed_at = asyncio.get_running_loop().time()
            if self.leader != before:
                log.info("new leader of %s/%s: %s", self._namespace, self._name, self.leader or "nobody")
        self._observed = lease

    async def _acquire_or_renew(self) -> bool:
        moment = now_micro()
        claim: Object = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(self.lease_duration),
            "acquireTime": moment,
            "renewTime": moment,
            "leaseTransitions": 0,
        }
        if self.is_leader and self._observed is not None:
            try:  # the leader need not read first: the version guards the write
                return await self._write(self._observed, claim)
            except ApiError as error:
                if not (is_conflict(error) or is_not_found(error)):
                    raise
                _SLOW.inc(self._name)
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except ApiError as error:
            if not is_not_found(error):
                raise
            return await self._create(claim)
        self._observe(lease)
        age = asyncio.get_running_loop().time() - self._observed_at
        theirs = float((self._observed_spec or {}).get("leaseDurationSeconds") or self.lease_duration)
        if self.leader and not self.is_leader and age < theirs:
            return False
        try:
            return await self._write(lease, claim)
        except ApiError as error:
            if is_conflict(error):
                return False
            raise

    async def _create(self, claim: Object) -> bool:
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": claim,
        }
        try:
            self._observe(await self._client.create(LEASES, body))
        except ApiError as error:
            if is_already_exists(error):
                return False
            raise
        return True

    async def _write(self, lease: Object, claim: Object) -> bool:
        old = lease.get("spec") or {}
        if old.get("holderIdentity") == self.identity:
            claim["acquireTime"] = old.get("acquireTime") or claim["acquireTime"]
            claim["leaseTransitions"] = old.get("leaseTransitions") or 0
        else:
            claim["leaseTransitions"] = (old.get("leaseTransitions") or 0) + 1
        self._observe(await self._client.update(LEASES, {**lease, "spec": claim}))
        return True

    async def _release(self) -> None:
        """Leave the lease without a holder; whoever comes next need not wait for it to expire."""
        if self._observed is None or not self.is_leader:
            return
        moment = now_micro()
        spec = {
            **(self._observed.get("spec") or {}),
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "acquireTime": moment,
            "renewTime": moment,
        }
        try:
            async with asyncio.timeout(3):
                self._observe(await self._client.update(LEASES, {**self._observed, "spec": spec}))
            log.info("%s gave the lease %s/%s back", self.identity, self._namespace, self._name)
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("the lease %s/%s was not given back: %s", self._namespace, self._name, error)
