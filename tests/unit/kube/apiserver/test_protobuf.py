"""Kubernetes' protobuf into JSON's shape: what a typed server makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.apiserver.protobuf import ProtobufError, decode


def _varint(value: int) -> bytes:
    out = b""
    value &= (1 << 64) - 1
    while value > 0x7F:
        out += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return out + bytes((value,))


def message(*fields: tuple[int, Any]) -> bytes:
    """A message of (number, value): ints are varints, text and bytes have a length."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(data)) + data
    return out


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    """A body as clients send it."""
    return b"k8s\0" + message((1, message((1, api_version), (2, kind))), (2, raw), (3, ""), (4, ""))


METADATA = message((1, "n"), (2, ""), (7, 0), (8, message()), (11, message((1, "k"), (2, "v"))))


def test_zeros_of_plain_fields_are_left_out_and_those_of_pointers_kept() -> None:
    spec = message((1, 0), (5, 0), (7, 0), (2, message((1, message((1, "a"), (2, "b"))))))
    obj = decode(envelope("apps/v1", "Deployment", message((1, METADATA), (2, spec), (3, message()))))
    assert obj == {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "n", "labels": {"k": "v"}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}},
        "status": {},
    }


def test_special_types() -> None:
    requests = message((1, "cpu"), (2, message((1, "500m"))))
    port = message((2, 8080))
    probe = message((1, message((2, message((1, "/"), (2, port))))), (3, 0))
    container = message((1, "c"), (8, message((2, requests))), (10, probe))
    volume = message((1, "v"), (2, message((2, message()))))
    pod = decode(envelope("v1", "Pod", message((1, METADATA), (2, message((1, volume), (2, container), (4, 0))))))
    assert pod["spec"] == {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [
            {
                "name": "c",
                "resources": {"requests": {"cpu": "500m"}},
                "livenessProbe": {"httpGet": {"path": "/", "port": 8080}},
            }
        ],
        "terminationGracePeriodSeconds": 0,
    }


def test_bytes_maps_and_times() -> None:
    data = message((1, "k"), (2, b"\x00\xff"))
    metadata = message((1, "n"), (8, message((1, 1_700_000_000))))
    secret = decode(envelope("v1", "Secret", message((1, metadata), (2, data), (3, "Opaque"))))
    assert secret["data"] == {"k": "AP8="}
    assert secret["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z"


def test_negative_numbers() -> None:
    spec = message((4, -5))
    assert decode(envelope("v1", "Pod", message((2, spec))))["spec"] == {"terminationGracePeriodSeconds": -5}


def test_options_are_metas_in_every_group() -> None:
    obj = decode(envelope("apps/v1", "DeleteOptions", message((1, 0), (4, "Foreground"))))
    assert obj["gracePeriodSeconds"] == 0 and obj["propagationPolicy"] == "Foreground"


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"k8s\0\xff",
        envelope("v1", "Nonsense", b""),
        envelope("v1", "Pod", b"\x0a\xff"),
        envelope("v1", "Pod", message((2, 5))),
    ],
)
def test_what_is_malformed_is_refused(body: bytes) -> None:
    with pytest.raises(ProtobufError):
        decode(body)
