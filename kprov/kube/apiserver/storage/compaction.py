"""Compaction of etcd every five minutes, by one API server at a time, with upstream's protocol.

The key compact_rev_key counts the compactions. Whoever raises it from the version it saw five minutes ago compacts
what was the revision then; the others take note of the new version and wait again.
"""

from __future__ import annotations

import asyncio
import logging

from kprov.kube.apiserver.storage.etcd import EtcdClient, EtcdError
from kprov.kube.apiserver.storage.proto import rpc_pb2 as pb

_log = logging.getLogger(__name__)
KEY = b"compact_rev_key"
INTERVAL_SECONDS = 300.0


async def compact_once(etcd: EtcdClient, version: int, revision: int) -> tuple[int, int]:
    """Compact at a revision if nobody did since the counter was at ``version``; returns the new pair of both."""
    response = await etcd.txn(
        [pb.Compare(key=KEY, target=pb.Compare.VERSION, result=pb.Compare.EQUAL, version=version)],
        [pb.RequestOp(request_put=pb.PutRequest(key=KEY, value=str(revision).encode()))],
        [pb.RequestOp(request_range=pb.RangeRequest(key=KEY))],
    )
    now = response.header.revision
    if not response.succeeded:
        kvs = response.responses[0].response_range.kvs
        return (kvs[0].version if kvs else 0), now
    if revision:
        await etcd.compact(revision)
        _log.info("compacted etcd at revision %d", revision)
    return version + 1, now


async def compact_for_ever(etcd: EtcdClient, interval: float = INTERVAL_SECONDS) -> None:
    """Keep what is younger than one to two intervals."""
    version = revision = 0
    while True:
        await asyncio.sleep(interval)
        try:
            version, revision = await compact_once(etcd, version, revision)
        except EtcdError as error:
            _log.warning("compaction is put off: %s", error)
