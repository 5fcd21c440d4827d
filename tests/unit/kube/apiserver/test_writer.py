"""Writes whose answers are lost: the fate is read, and nothing is written twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.apiserver.storage.etcd import FateUnknown
from kprov.kube.apiserver.storage.writer import Writer


class Etcd:
    """Loses the answers of transactions; ``done`` says whether they happened all the same."""

    def __init__(self, done: bool, kv: Any = None) -> None:
        self.done = done
        self.kv = kv
        self.transactions = 0

    async def txn(self, compare: Any, success: Any, failure: Any = ()) -> Any:
        self.transactions += 1
        if self.done:
            if success[0].HasField("request_put"):
                put = success[0].request_put
                self.kv = SimpleNamespace(value=put.value, mod_revision=9, create_revision=9)
            else:
                self.kv = None
        raise FateUnknown("lost")

    async def range(self, key: bytes, **_: Any) -> Any:
        return SimpleNamespace(kvs=[self.kv] if self.kv else [], header=SimpleNamespace(revision=9))


async def test_a_put_that_happened() -> None:
    etcd: Any = Etcd(done=True)
    outcome = await Writer(etcd).put(b"k", b"v", 0)
    assert outcome.done and outcome.revision == 9 and etcd.transactions == 1


async def test_a_put_that_did_not_happen_is_said_to_be_unknown() -> None:
    etcd: Any = Etcd(done=False, kv=SimpleNamespace(value=b"old", mod_revision=5, create_revision=5))
    with pytest.raises(FateUnknown):
        await Writer(etcd).put(b"k", b"v", 5)
    assert etcd.transactions == 1


async def test_the_same_bytes_from_before_are_not_taken_for_the_write() -> None:
    etcd: Any = Etcd(done=False, kv=SimpleNamespace(value=b"v", mod_revision=5, create_revision=5))
    with pytest.raises(FateUnknown):
        await Writer(etcd).put(b"k", b"v", 5)


async def test_a_delete_that_happened() -> None:
    etcd: Any = Etcd(done=True, kv=SimpleNamespace(value=b"v", mod_revision=5, create_revision=5))
    assert (await Writer(etcd).delete(b"k", 5)).done


async def test_a_delete_that_did_not_happen() -> None:
    etcd: Any = Etcd(done=False, kv=SimpleNamespace(value=b"v", mod_revision=5, create_revision=5))
    with pytest.raises(FateUnknown):
        await Writer(etcd).delete(b"k", 5)
