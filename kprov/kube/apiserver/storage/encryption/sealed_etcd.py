"""etcd as the store sees it, with some of its values sealed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from kprov.kube.apiserver.storage.encryption.ciphers import CannotOpen, Provider
from kprov.kube.apiserver.storage.encryption.configuration import Rule
from kprov.kube.apiserver.storage.etcd import EtcdClient, EtcdError, EtcdOptions
from kprov.kube.apiserver.storage.proto import rpc_pb2 as pb

Providers = tuple[Provider, ...]


class Unreadable(EtcdError):
    """A stored value can't be opened with any of the configuration's keys."""


class SealedEtcd(EtcdClient):
    """Seals what is written below some prefixes and opens what is read.

    Args:
        options: where etcd is.
        root: what every key begins with ("/registry").
        kinds: (group, plural, storage prefix) of the built-in kinds; custom ones lie under GROUP/PLURAL.
        rules: of the configuration.
    """

    def __init__(
        self, options: EtcdOptions, root: str, kinds: Iterable[tuple[str, str, str]], rules: Sequence[Rule]
    ) -> None:
        super().__init__(options)
        self._root = f"/{root.strip('/')}/".encode()
        self._rules = rules
        self._by_prefix = {prefix.encode(): self._of_kind(group, plural) for group, plural, prefix in kinds}
        self._stale: set[bytes] = set()

    def _of_kind(self, group: str, plural: str) -> Providers:
        return next((rule.providers for rule in self._rules if rule.covers(group, plural)), ())

    def _providers(self, key: bytes) -> Providers:
        """Who seals the value under a key; the first of them does."""
        if not key.startswith(self._root):
            return ()
        first, _, rest = key[len(self._root) :].partition(b"/")
        found = self._by_prefix.get(first)
        if found is None:
            second = rest.partition(b"/")[0]
            both = b"%b/%b" % (first, second)
            found = self._by_prefix.get(both)
            if found is None:
                found = self._by_prefix[both] = self._of_kind(first.decode(), second.decode())
        return found

    def is_stale(self, key: bytes) -> bool:
        """Whether a key's value was last seen sealed in another way than it would be now: a rewrite is no no-op."""
        return key in self._stale

    def _open(self, kv: Any) -> None:
        """Open a key's value in place. Raises Unreadable."""
        providers = self._providers(kv.key)
        if not providers or not kv.value:
            return
        sealed = kv.value.startswith(b"k8s:enc:")
        for number, provider in enumerate(providers):
            # identity may stand before the one that sealed a value (k8s.io/apiserver/pkg/storage/value/transformer.go):
            # so do all servers learn to read with a key before any of them writes with it.
            if kv.value.startswith(provider.prefix) and (provider.prefix or not sealed):
                try:
                    kv.value = provider.open(kv.value, kv.key)
                except CannotOpen as error:
                    raise Unreadable(f"{kv.key.decode(errors='replace')} can't be read: {error}") from None
                if number:
                    self._stale.add(kv.key)
                else:
                    self._stale.discard(kv.key)
                return
        raise Unreadable(
            f"{kv.key.decode(errors='replace')} can't be read: no provider of the encryption configuration has its key"
        )

    async def range(self, key: bytes, range_end: bytes = b"", **options: Any) -> pb.RangeResponse:
        """See EtcdClient.range. Raises Unreadable as well."""
        response = await super().range(key, range_end, **options)
        for kv in response.kvs:
            self._open(kv)
        return response

    async def txn(
        self, compare: Sequence[pb.Compare], success: Sequence[pb.RequestOp], failure: Sequence[pb.RequestOp] = ()
    ) -> pb.TxnResponse:
        """See EtcdClient.txn. Raises Unreadable as well."""
        response = await super().txn(compare, [self._sealed(each) for each in success], failure)
        for each in response.responses:
            for kv in each.response_range.kvs:
                self._open(kv)
        return response

    def _sealed(self, operation: pb.RequestOp) -> pb.RequestOp:
        put = operation.request_put
        providers = self._providers(put.key) if operation.HasField("request_put") else ()
        if not providers:
            return operation
        value = providers[0].seal(put.value, put.key)
        return pb.RequestOp(request_put=pb.PutRequest(key=put.key, value=value, lease=put.lease))

    async def watch_all(self, start_revision: int) -> AsyncIterator[pb.WatchResponse]:
        """See EtcdClient.watch_all. What can't be opened is handed on sealed: it concerns one kind, not the stream."""
        async for response in super().watch_all(start_revision):
            for event in response.events:
                try:
                    self._open(event.kv)
                except Unreadable:
                    continue
            yield response
