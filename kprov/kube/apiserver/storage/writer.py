"""Single-key writes: each one a compare, each one's fate known or said to be unknown."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from kprov.kube.apiserver.storage.etcd import EtcdClient, FateUnknown
from kprov.kube.apiserver.storage.etcd_metrics import timed
from kprov.kube.apiserver.storage.proto import rpc_pb2 as pb


@dataclass(frozen=True, slots=True)
class Stored:
    """What a key holds."""

    value: bytes
    revision: int
    created: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a write was done; ``revision`` is its own then, and ``found`` is what stood in its way otherwise."""

    done: bool
    revision: int
    found: Stored | None = None


class Writer:
    """Reads and compare-and-writes of single keys."""

    def __init__(self, etcd: EtcdClient) -> None:
        self._etcd = etcd

    async def read(self, key: bytes) -> tuple[Stored | None, int]:
        """What a key holds now, and the revision at which it was read."""
        with timed("get", key):
            response = await self._etcd.range(key)
        return _stored(response), response.header.revision

    async def put(self, key: bytes, value: bytes, expected: int, lease: int = 0) -> Outcome:
        """Write a key whose mod_revision is still the expected one (0: it must not exist).

        Raises:
            FateUnknown: the answer was lost, and reading could not tell whether the write was done.
            EtcdError: it was certainly not done.
        """
        put = pb.RequestOp(request_put=pb.PutRequest(key=key, value=value, lease=lease))
        try:
            with timed("update" if expected else "create", key):
                response = await self._etcd.txn([_unchanged(key, expected)], [put], [_get(key)])
        except FateUnknown:
            found, _ = await self.read(key)
            if found is not None and found.revision > expected and _same(found.value, value):
                return Outcome(True, found.revision)
            raise
        return _outcome(response)

    async def delete(self, key: bytes, expected: int) -> Outcome:
        """Delete a key whose mod_revision is still the expected one. Raises as ``put``."""
        delete = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))
        try:
            with timed("delete", key):
                response = await self._etcd.txn([_unchanged(key, expected)], [delete], [_get(key)])
        except FateUnknown:
            found, revision = await self.read(key)
            if found is None:
                return Outcome(True, revision)
            raise
        return _outcome(response)


def _same(found: bytes, written: bytes) -> bool:
    """Whether two values say the same: what is kept in another version may come back in another order."""
    return found == written or bool(orjson.loads(found) == orjson.loads(written))


def _unchanged(key: bytes, revision: int) -> pb.Compare:
    return pb.Compare(key=key, target=pb.Compare.MOD, result=pb.Compare.EQUAL, mod_revision=revision)


def _get(key: bytes) -> pb.RequestOp:
    return pb.RequestOp(request_range=pb.RangeRequest(key=key))


def _stored(response: pb.RangeResponse) -> Stored | None:
    if not response.kvs:
        return None
    kv = response.kvs[0]
    return Stored(kv.value, kv.mod_revision, kv.create_revision)


def _outcome(response: pb.TxnResponse) -> Outcome:
    revision = response.header.revision
    if response.succeeded:
        return Outcome(True, revision)
    return Outcome(False, revision, _stored(response.responses[0].response_range))
