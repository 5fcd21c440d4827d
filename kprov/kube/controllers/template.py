"""Pod templates: comparing two, and naming one by a hash."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

Object = dict[str, Any]
HASH_LABEL = "pod-template-hash"
# No vowels and no look-alikes, as upstream: a hash never spells a word.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def stable_hash(value: Any, collisions: int = 0) -> str:
    """Ten characters that stay the same for the same JSON value; ``collisions`` yields another ten."""
    raw = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    if collisions:
        raw += b"/%d" % collisions
    digest = hashlib.blake2b(raw, digest_size=10).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest)


def _significant(template: Object) -> Object:
    metadata = {k: v for k, v in (template.get("metadata") or {}).items() if v and k != "creationTimestamp"}
    if "labels" in metadata:
        metadata["labels"] = {k: v for k, v in metadata["labels"].items() if k != HASH_LABEL}
    return {"metadata": {k: v for k, v in metadata.items() if v}, "spec": _pruned(template.get("spec") or {})}


def _pruned(value: Any) -> Any:
    """Without empty collections and nulls: absent and empty mean the same in a template."""
    if isinstance(value, dict):
        return {k: p for k, v in value.items() if not _is_empty(p := _pruned(v)) or k in _PRESENCE_MATTERS}
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    return value


# Fields where an empty object says something: {"emptyDir": {}} is a volume.
_PRESENCE_MATTERS = frozenset({"emptyDir", "securityContext", "namespaceSelector", "labelSelector", "podInfoOnCreate"})


def _is_empty(value: Any) -> bool:
    return value is None or value in ({}, [])


def same_template(one: Object, other: Object) -> bool:
    """Whether two pod templates mean the same, the hash label aside."""
    return _significant(one) == _significant(other)
