"""How long etcd takes, under the names that upstream's API server has for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kprov.kube.api.metrics import REGISTRY
from kprov.kube.apiserver.resources import RESOURCES

_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0,
            30.0, 45.0, 60.0)  # fmt: skip

REQUESTS = REGISTRY.counter("etcd_requests_total", "Etcd request counts for each operation and object type.",
                            ("operation", "type"))  # fmt: skip
FAILURES = REGISTRY.counter("etcd_request_errors_total",
                            "Etcd failed request counts for each operation and object type.",
                            ("operation", "type"))  # fmt: skip
SECONDS = REGISTRY.histogram("etcd_request_duration_seconds",
                             "Etcd request latency in seconds for each operation and object type.",
                             ("operation", "type"), _BUCKETS)  # fmt: skip

_KNOWN: dict[bytes, str] = {}
"""The kinds whose keys were seen, by the part of the key that names the kind."""


def kind_of(key: bytes) -> str:
    """The kind that lies at a key, as "pods" or "deployments.apps"; empty where it is none.

    A kind's keys begin with one word after the root (/registry/pods/...), or with two (/registry/services/specs/...,
    /registry/example.org/things/...): the longer name is looked for first.
    """
    parts = key.split(b"/", 4)
    if len(parts) < 4:
        return ""
    two = parts[2] + b"/" + parts[3]
    found = _KNOWN.get(two) or _KNOWN.get(parts[2])
    return found if found is not None else _learn(parts[2], two)


def _learn(one: bytes, two: bytes) -> str:
    names = {info.storage_prefix.encode(): info.group_resource for info in RESOURCES.values() if info.storage_prefix}
    for part in (two, one):
        if part in names:
            return _KNOWN.setdefault(part, names[part])
    return ""


@contextmanager
def timed(operation: str, key: bytes) -> Iterator[None]:
    """Observe one request to etcd about a key: get, list, create, update or delete."""
    kind, began = kind_of(key), time.monotonic()
    try:
        yield
    except Exception:
        FAILURES.inc(operation, kind)
        raise
    finally:
        REQUESTS.inc(operation, kind)
        SECONDS.observe(time.monotonic() - began, operation, kind)
