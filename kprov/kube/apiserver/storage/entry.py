"""What the cache holds: entries and the events between them."""

from __future__ import annotations

from typing import Any

import orjson

from kprov.kube.apiserver.storage.encoding import at_revision, with_revision
from kprov.kube.apiserver.storage.packed import PackedRoom

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"


class Entry:
    """One object at one revision: its bytes as clients get them, and what selectors look at once someone asked.

    ``packed`` is the object in protobuf, once somebody asked for it, of an entry that is in a cache.
    """

    __slots__ = ("_head", "_labels", "_room", "fields", "key", "packed", "raw", "revision")

    def __init__(self, key: str, revision: int, raw: bytes, head: int) -> None:
        self.key = key  # "namespace/name" or "name"
        self.revision = revision
        self.raw = raw
        self._head = head
        self._labels: dict[str, str] | None = None
        self.fields: dict[str, str] | None = None  # filled in by selection, which knows the kind's fields
        self.packed: bytes | None = None
        self._room: PackedRoom | None = None

    @classmethod
    def stored(cls, key: str, revision: int, value: bytes) -> Entry:
        """An entry of what etcd holds."""
        raw, head = with_revision(value, revision)
        return cls(key, revision, raw, head)

    def object(self) -> dict[str, Any]:
        """The object, parsed anew: the caller may change it."""
        obj: dict[str, Any] = orjson.loads(self.raw)
        return obj

    def enter(self, room: PackedRoom) -> None:
        """Be in a cache from now on, whose room is for what ``keep_packed`` is given."""
        self._room = room

    def leave(self) -> None:
        """Be in no cache any more: another state of the object took this one's place, or none did."""
        if self._room is not None and self.packed is not None:
            self._room.give_back(len(self.packed))
        self.packed = self._room = None

    def keep_packed(self, packed: bytes) -> None:
        """Take the object in protobuf, to be kept in ``packed`` if this is in a cache and there is room."""
        if self._room is not None and self.packed is None and self._room.take(len(packed)):
            self.packed = packed

    @property
    def labels(self) -> dict[str, str]:
        """The object's labels."""
        if self._labels is None:
            self._labels = self.object()["metadata"].get("labels") or {}
        return self._labels

    def deleted_at(self, revision: int) -> Entry:
        """The object's last state, with the revision of its deletion."""
        raw = at_revision(self.raw, self._head, self.revision, revision)
        entry = Entry(self.key, revision, raw, self._head)
        entry._labels, entry.fields = self._labels, self.fields
        return entry


class CacheEvent:
    """One change. ``current`` is the new state, or the last one for a deletion; ``previous`` what it replaced."""

    __slots__ = ("_line", "current", "previous", "revision", "type")

    def __init__(self, type_: str, revision: int, current: Entry, previous: Entry | None) -> None:
        self.type = type_
        self.revision = revision
        self.current = current
        self.previous = previous
        self._line: bytes | None = None

    def line(self) -> bytes:
        """The watch event as plain JSON, made once for all watchers."""
        if self._line is None:
            self._line = b'{"type":"%b","object":%b}\n' % (self.type.encode(), self.current.raw)
        return self._line
