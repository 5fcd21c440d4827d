"""etcd as the store sees it: each kind in the one version that kprov works with, whatever version lies in etcd.

What upstream wrote may lie there in an older version than kprov's, such as an Ingress of networking.k8s.io/v1beta1, and
is converted as it is read. What kprov writes, it writes in the oldest version that says the same, so that upstream's
server of 1.20 reads it as well as one of today, which still reads those versions though it serves them no more.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import orjson

from kprov.kube.apiserver.storage.encoding import encode
from kprov.kube.apiserver.storage.etcd import EtcdClient
from kprov.kube.apiserver.storage.proto import rpc_pb2 as pb

Object = dict[str, Any]
Convert = Callable[[Object, str], Object]
"""An object of one apiVersion in another, or, where that is not known, as it is."""

_HEAD = re.compile(rb'\{"kind":"[^"\\]*","apiVersion":"([^"\\]*)"')


class StoredVersion:
    """How one kind lies in etcd.

    Args:
        present: the apiVersion that kprov works with.
        written: the apiVersion that is written where it says the same.
        up: converts what was read to ``present``.
        down: converts to ``written``.
    """

    def __init__(self, present: str, written: str, up: Convert, down: Convert) -> None:
        self._present, self._written, self._up, self._down = present, written, up, down
        self._marked = present.encode()

    def read(self, value: bytes) -> bytes:
        """A stored value as kprov works with it. What is no object in JSON stays as it is: who reads it says so."""
        head = _HEAD.match(value)
        if (head is not None and head[1] == self._marked) or not value:
            return value
        try:
            obj = orjson.loads(value)
            stored = obj["apiVersion"]
            return value if stored == self._present else encode({**self._up(obj, stored), "apiVersion": self._present})
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return value

    def write(self, value: bytes) -> bytes:
        """A value as it is stored."""
        if self._written == self._present:
            return value
        obj = orjson.loads(value)
        older = {**self._down(obj, self._written), "apiVersion": self._written}
        if {**self._up(older, self._written), "apiVersion": self._present} != obj:
            return value
        return encode(older)


class VersionedEtcd(EtcdClient):
    """Converts what is read and written below some prefixes; stands before one that seals values."""

    _root = b"/registry/"
    _stored: Mapping[bytes, StoredVersion] = {}

    def convert(self, root: str, stored: Mapping[str, StoredVersion]) -> None:
        """Begin to convert.

        Args:
            root: what every key begins with ("/registry").
            stored: by storage prefix ("ingress", "apiextensions.k8s.io/customresourcedefinitions").
        """
        self._root = f"/{root.strip('/')}/".encode()
        self._stored = {prefix.encode(): each for prefix, each in stored.items()}

    def _version(self, key: bytes) -> StoredVersion | None:
        if not key.startswith(self._root):
            return None
        first, _, rest = key[len(self._root) :].partition(b"/")
        found = self._stored.get(first)
        return found or self._stored.get(b"%b/%b" % (first, rest.partition(b"/")[0]))

    async def range(self, key: bytes, range_end: bytes = b"", **options: Any) -> pb.RangeResponse:
        """See EtcdClient.range."""
        response = await super().range(key, range_end, **options)
        version = self._version(key)
        if version is not None:
            for kv in response.kvs:
                kv.value = version.read(kv.value)
        return response

    async def txn(
        self, compare: Sequence[pb.Compare], success: Sequence[pb.RequestOp], failure: Sequence[pb.RequestOp] = ()
    ) -> pb.TxnResponse:
        """See EtcdClient.txn."""
        response = await super().txn(compare, [self._written(each) for each in success], failure)
        for each in response.responses:
            for kv in each.response_range.kvs:
                version = self._version(kv.key)
                if version is not None:
                    kv.value = version.read(kv.value)
        return response

    def _written(self, operation: pb.RequestOp) -> pb.RequestOp:
        put = operation.request_put
        version = self._version(put.key) if operation.HasField("request_put") else None
        if version is None:
            return operation
        return pb.RequestOp(request_put=pb.PutRequest(key=put.key, value=version.write(put.value), lease=put.lease))

    async def watch_all(self, start_revision: int) -> AsyncIterator[pb.WatchResponse]:
        """See EtcdClient.watch_all."""
        async for response in super().watch_all(start_revision):
            for event in response.events:
                version = self._version(event.kv.key)
                if version is not None:
                    event.kv.value = version.read(event.kv.value)
            yield response
