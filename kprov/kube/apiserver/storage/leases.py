"""Leases for objects that etcd forgets by itself (events), each shared by those written within a minute."""

from __future__ import annotations

import asyncio
import time

from kprov.kube.apiserver.storage.etcd import EtcdClient

_SHARED_SECONDS = 60.0


class SharedLeases:
    """Hands out lease IDs by time to live."""

    def __init__(self, etcd: EtcdClient) -> None:
        self._etcd = etcd
        self._current: dict[int, tuple[float, int]] = {}
        self._lock = asyncio.Lock()

    async def lease(self, ttl_seconds: int) -> int:
        """A lease that lives at least that long."""
        known = self._current.get(ttl_seconds)
        if known and known[0] > time.monotonic():
            return known[1]
        async with self._lock:
            known = self._current.get(ttl_seconds)
            if known and known[0] > time.monotonic():
                return known[1]
            share = min(_SHARED_SECONDS, ttl_seconds * 0.05)
            lease = await self._etcd.grant(ttl_seconds + int(share) + 1)
            self._current[ttl_seconds] = (time.monotonic() + share, lease)
            return lease
