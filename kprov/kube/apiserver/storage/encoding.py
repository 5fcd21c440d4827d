"""Objects as bytes: in etcd without resourceVersion, in the cache and on the wire with it.

Both forms are the same JSON but for one member of metadata. What kprov and upstream store begins with kind,
apiVersion and
metadata, so going from one form to the other is a splice; anything else takes the long way through the parser.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from kprov.kube.apiserver.raw_json import spelled_out

_HEAD = re.compile(rb'\{"(?:kind|apiVersion)":"[^"\\]*","(?:kind|apiVersion)":"[^"\\]*","metadata":\{(?=")')


def encode(obj: dict[str, Any]) -> bytes:
    """An object's bytes for etcd: kind, apiVersion and metadata first, neither resourceVersion nor selfLink."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion" and key != "selfLink"}
    rest = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata")}
    raw = orjson.dumps({"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": metadata, **rest})
    return spelled_out(raw) if obj["kind"] == "ControllerRevision" else raw


def with_revision(stored: bytes, revision: int) -> tuple[bytes, int]:
    """A stored value with its resourceVersion put in, and the place of the splice (for ``at_revision``)."""
    stored = stored.rstrip(b"\n")  # upstream's encoder ends values with a newline
    match = _HEAD.match(stored)
    if match is None:
        stored = encode(orjson.loads(stored))
        match = _HEAD.match(stored)
        if match is None:  # metadata is empty: cannot be, every stored object has a name
            raise ValueError("a stored object has no metadata")
    head = match.end()
    return b'%b"resourceVersion":"%d",%b' % (stored[:head], revision, stored[head:]), head


def at_revision(raw: bytes, head: int, old: int, new: int) -> bytes:
    """The bytes that ``with_revision`` made, with another resourceVersion."""
    return b'%b"resourceVersion":"%d",%b' % (
        raw[:head],
        new,
        raw[head + len(b'"resourceVersion":"",') + len(str(old)) :],
    )
