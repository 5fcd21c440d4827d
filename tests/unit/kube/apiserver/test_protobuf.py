"""Kubernetes' protobuf into JSON's shape: what a typed server makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.output.accept import form_of
from kprov.kube.apiserver.protobuf import ProtobufError, decode
from kprov.kube.apiserver.protobuf.encode import encode, encode_event


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


def test_years_of_old_are_written_with_four_digits() -> None:
    times = message((4, message((1, -62135596798))))  # two seconds after Go's zero time
    lease = decode(envelope("coordination.k8s.io/v1", "Lease", message((2, times))))
    assert lease["spec"]["renewTime"] == "0001-01-01T00:00:02.000000Z"


BINARY = "application/vnd.kubernetes.protobuf"

OBJECTS: list[dict[str, Any]] = [
    {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": "a",
            "labels": {"k": "v", "empty": ""},
            "generation": 3,
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "deletionGracePeriodSeconds": 0,
            "managedFields": [{"manager": "m", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}],
        },
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "args": ["", "x"],
                    "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "n", "key": "k"}}}],
                    "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
                    "livenessProbe": {"httpGet": {"path": "/", "port": "web"}, "initialDelaySeconds": 5},
                    "readinessProbe": {"tcpSocket": {"port": 80}},
                    "securityContext": {"privileged": False, "runAsUser": 0},
                }
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "terminationGracePeriodSeconds": 0,
        },
        "status": {"phase": "Running"},
    },
    {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": "s"},
        "data": {"k": "AP8="},
        "type": "Opaque",
    },
    {
        "kind": "Lease",
        "apiVersion": "coordination.k8s.io/v1",
        "metadata": {"name": "l"},
        "spec": {"holderIdentity": "h", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.678901Z"},
    },
    {
        "kind": "SubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": {"user": "u", "extra": {"e": ["1", ""]}},
        "status": {"allowed": True},
    },
]


@pytest.mark.parametrize("obj", OBJECTS, ids=lambda obj: obj["kind"])
def test_what_is_encoded_is_decoded_again(obj: dict[str, Any]) -> None:
    found = decode(encode(obj))
    for empty in ("metadata", "status"):
        if empty not in obj:
            found.pop(empty, None)
    assert found == obj


def test_lists_and_events() -> None:
    whole = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [OBJECTS[0]]}
    inner = {key: value for key, value in OBJECTS[0].items() if key not in ("kind", "apiVersion")}
    assert decode(encode(whole)) == {**whole, "items": [inner]}
    event = encode_event("ADDED", OBJECTS[1])
    length = int.from_bytes(event[:4], "big")
    assert length == len(event) - 4 and b"ADDED" in event and b"k8s\0" in event


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (BINARY, BINARY),
        (f"{BINARY},application/json", BINARY),
        (f"{BINARY}, */*", BINARY),  # what upstream's own daemons say
        (f"application/json, {BINARY}", "application/json"),
        (f"*/*, {BINARY}", BINARY),  # a type that is named goes before any
        (f"{BINARY};q=0.5, application/json;q=0.9", "application/json"),
        (f"application/json;q=0.5,{BINARY};q=0.9", BINARY),
        (f"application/json, {BINARY};q=much", "application/json"),
        (f"{BINARY};as=Table;g=meta.k8s.io;v=v1,application/json", "application/json"),
        (f"{BINARY};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json", BINARY),
        ("*/*", "application/json"),
    ],
)
def test_the_form_that_a_client_names_first_is_the_answers(accept: str, form: str) -> None:
    assert form_of(accept, True).content_type == form


@pytest.mark.parametrize("accept", [f"{BINARY},application/json", f"{BINARY}, */*"])
def test_what_cannot_be_said_in_protobuf_is_said_in_json(accept: str) -> None:
    assert form_of(accept, False).content_type == "application/json"
    with pytest.raises(ApiError):
        form_of(BINARY, False)
