"""Revisions are to the byte what upstream's controllers and kubectl make of the same template."""

from __future__ import annotations

from typing import Any

import orjson

from kprov.kube.apiserver.handlers.conformance import conform
from kprov.kube.apiserver.protobuf.encode import encode as encode_protobuf
from kprov.kube.apiserver.resources import RESOURCES
from kprov.kube.apiserver.storage.encoding import encode, with_revision
from kprov.kube.controllers.revisions import _same, data_of

OWNER: dict[str, Any] = {
    "spec": {
        "template": {
            "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "command": ["sh", "-c", "a && b <c >d"]}]},
            "metadata": {"labels": {"b": "2", "a": "1"}},
        }
    }
}
# As Go's encoder writes a map: names in order, the unset time of creation as null, HTML's characters spelled out.
WRITTEN = (
    rb'{"spec":{"template":{"$patch":"replace","metadata":{"creationTimestamp":null,"labels":{"a":"1","b":"2"}},'
    rb'"spec":{"containers":[{"command":["sh","-c","a \u0026\u0026 b \u003cc \u003ed"],"name":"c"}],'
    rb'"restartPolicy":"Always"}}}}'
)


def _revision() -> dict[str, Any]:
    return {
        "kind": "ControllerRevision",
        "apiVersion": "apps/v1",
        "metadata": {"name": "web-1", "namespace": "default"},
        "data": data_of(OWNER),
        "revision": 1,
    }


def test_as_it_is_stored_and_answered() -> None:
    stored = encode(conform(_revision(), RESOURCES["apps", "controllerrevisions"], "v1", "Strict", []))
    assert WRITTEN in stored
    answered, _ = with_revision(stored, 7)
    assert WRITTEN in answered
    read = orjson.loads(answered)
    assert read["data"] == data_of(OWNER)
    assert WRITTEN in encode(read)  # a change of its number leaves its data alone


def test_in_protobuf() -> None:
    assert WRITTEN in encode_protobuf(_revision())


def test_other_kinds_keep_their_characters() -> None:
    stored = encode({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {"x": "a && b"}})
    assert b"a && b" in stored


def test_revisions_of_earlier_releases_are_known_again() -> None:
    earlier = {"spec": {"template": {**OWNER["spec"]["template"], "$patch": "replace"}}}
    assert _same({"data": earlier}, data_of(OWNER))
