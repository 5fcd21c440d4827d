"""Keeps the kernel's table as the Services and EndpointSlices say."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from kprov.kube.api.informer import Informer, key_of
from kprov.kube.proxy import conntrack, instruments
from kprov.kube.proxy.elements import Contribution, contribution
from kprov.kube.proxy.ledger import Ledger, Staged
from kprov.kube.proxy.libnftables import Nftables, NftablesError
from kprov.kube.proxy.ruleset import TABLE
from kprov.kube.proxy.service_ports import SERVICE_NAME_LABEL, service_ports
from kprov.kube.proxy.transaction import merged, whole

log = logging.getLogger(__name__)

_BY_SERVICE = "service"


def _service_of(piece: Mapping[str, Any]) -> list[str]:
    metadata = piece["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL)
    return [f"{metadata['namespace']}/{name}"] if name else []


class Syncer:
    """Turns changes of Services and EndpointSlices into transactions.

    Changes within ``min_sync_period`` seconds become one transaction. Every ``sync_period`` seconds the table is looked
    at, and written anew when somebody else removed it.
    """

    def __init__(
        self,
        services: Informer,
        slices: Informer,
        *,
        node: str,
        static_chains: Mapping[str, tuple[str, ...]],
        min_sync_period: float = 0.02,
        sync_period: float = 30.0,
        nftables: Nftables | None = None,
    ) -> None:
        self._services, self._slices = services, slices
        self._node, self._static_chains = node, static_chains
        self._min_sync_period, self._sync_period = min_sync_period, sync_period
        self._nftables = nftables or Nftables()
        self._ledger = Ledger()
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._whole = True
        self.last_synced = 0.0
        """time.monotonic() of the last moment at which the kernel was known to be right; 0 before the first."""
        self.pending_since = time.monotonic()
        """time.monotonic() since which a change waits to be carried out; 0 when none does."""
        self.first_sync = asyncio.Event()
        slices.add_index(_BY_SERVICE, _service_of)
        services.add_handler(
            on_add=lambda obj: self._touch(key_of(obj)),
            on_update=lambda old, new: self._touch(key_of(new)),
            on_delete=lambda obj: self._touch(key_of(obj)),
        )
        slices.add_handler(
            on_add=lambda obj: self._touch(*_service_of(obj)),
            on_update=lambda old, new: self._touch(*_service_of(old), *_service_of(new)),
            on_delete=lambda obj: self._touch(*_service_of(obj)),
        )

    def _touch(self, *keys: str) -> None:
        self._dirty.update(keys)
        if keys:
            instruments.QUEUED.set(time.time())
            self.pending_since = self.pending_since or time.monotonic()
            self._wake.set()

    def _contribution(self, key: str) -> Contribution | None:
        service = self._services.get(key)
        if service is None:
            return None
        ports = service_ports(service, self._slices.by_index(_BY_SERVICE, key), self._node)
        return contribution(ports) if ports else None

    async def run(self) -> None:
        """Wait for both informers, write the whole table, then follow the changes for ever."""
        await self._services.wait_synced()
        await self._slices.wait_synced()
        while True:
            await self._sync()
            try:
                async with asyncio.timeout(self._sync_period):
                    await self._wake.wait()
                    await asyncio.sleep(self._min_sync_period)  # gathers a burst into one transaction
            except TimeoutError:
                self._whole = self._whole or not await asyncio.to_thread(self._table_stands)

    def _table_stands(self) -> bool:
        try:
            self._nftables.listing(f"list chain ip {TABLE} services")
        except NftablesError:
            log.warning("the table %s is gone: somebody flushed the ruleset; it is written again", TABLE)
            return False
        return True

    async def _sync(self) -> None:
        self._wake.clear()
        began, since, everything = time.monotonic(), self.pending_since, self._whole
        dirty, self._dirty = self._dirty, set()
        try:
            if self._whole:
                await self._write_whole()
            elif dirty:
                await self._write_changes({key: self._contribution(key) for key in dirty})
        except NftablesError as error:
            log.error("nftables refuses a transaction, the whole table is tried next: %s", error)
            instruments.FAILURES.inc()
            self._whole = True
            self._dirty |= dirty
            await asyncio.sleep(1)  # not to spin on a kernel that says no
            self._wake.set()
            return
        self.last_synced = time.monotonic()
        instruments.synced(self.last_synced - began, everything=everything)
        if since and (dirty or everything):
            instruments.PROGRAMMED.observe(self.last_synced - since)
        self.first_sync.set()
        self.pending_since = self.last_synced if self._dirty else 0.0

    async def _write_changes(self, changed: Mapping[str, Contribution | None]) -> None:
        staged: Staged = self._ledger.stage(changed)
        if staged.commands:
            await asyncio.to_thread(self._nftables.run, staged.commands)
        self._ledger.record(staged)
        await conntrack.forget(staged.departed)

    async def _write_whole(self) -> None:
        shares = {key: share for key in self._service_keys() if (share := self._contribution(key)) is not None}
        chains, sets = await asyncio.to_thread(self._existing)
        state = merged(shares.values())
        try:
            await asyncio.to_thread(self._nftables.run, whole(state, self._static_chains, chains, sets))
        except NftablesError as error:
            # An earlier release's maps may have other types: the table is replaced, still in one transaction.
            log.warning("the table that is there can't be changed into this release's, it is replaced: %s", error)
            anew = f"add table ip {TABLE}\ndelete table ip {TABLE}\n" + whole(state, self._static_chains, set(), set())
            await asyncio.to_thread(self._nftables.run, anew)
        self._ledger.reset(shares)
        self._whole = False
        log.info("wrote the table %s: %d Services", TABLE, len(shares))

    def _service_keys(self) -> list[str]:
        return [key_of(service) for service in self._services.list()]

    def _existing(self) -> tuple[set[str], set[str]]:
        try:
            listing = json.loads(self._nftables.listing(f"list table ip {TABLE}"))["nftables"]
        except NftablesError:
            return set(), set()
        chains = {item["chain"]["name"] for item in listing if "chain" in item}
        return chains, {item["set"]["name"] for item in listing if "set" in item}
