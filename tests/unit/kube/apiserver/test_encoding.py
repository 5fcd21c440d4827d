"""Objects as bytes: what etcd keeps has no resourceVersion, what clients get has."""

from __future__ import annotations

import orjson
import pytest

from kprov.kube.apiserver.storage.encoding import at_revision, encode, with_revision
from kprov.kube.apiserver.storage.entry import Entry

POD = {
    "metadata": {"name": "p", "namespace": "d", "resourceVersion": "5", "labels": {"a": "b"}},
    "spec": {"metadata": {"name": "inner"}},
    "apiVersion": "v1",
    "kind": "Pod",
}


def test_stored_form_is_upstreams() -> None:
    stored = encode(POD)
    assert stored.startswith(b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"')
    assert b"resourceVersion" not in stored


@pytest.mark.parametrize(
    "stored",
    [
        encode(POD),
        encode(POD) + b"\n",
        b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"a":"b"}}}',
        b'{"metadata":{"name":"p","labels":{"a":"b"}},"kind":"Pod","apiVersion":"v1"}',
        b'{ "kind" : "Pod", "apiVersion":"v1", "metadata":{"name":"p","labels":{"a":"b"}}}',
    ],
)
def test_the_revision_is_put_into_whatever_was_stored(stored: bytes) -> None:
    raw, head = with_revision(stored, 77)
    assert orjson.loads(raw)["metadata"]["resourceVersion"] == "77"
    assert orjson.loads(raw)["metadata"]["labels"] == {"a": "b"}
    again = at_revision(raw, head, 77, 12345)
    assert orjson.loads(again)["metadata"]["resourceVersion"] == "12345"
    assert orjson.loads(again)["metadata"]["name"] == "p"


def test_a_deletion_carries_the_last_state_and_its_own_revision() -> None:
    gone = Entry.stored("d/p", 5, encode(POD)).deleted_at(9)
    assert gone.object()["metadata"]["resourceVersion"] == "9"
    assert gone.labels == {"a": "b"}
