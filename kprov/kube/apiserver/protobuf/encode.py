"""Encodes objects in JSON's shape as Kubernetes' protobuf, by the same table as they are decoded by."""

from __future__ import annotations

import re
import struct
from base64 import b64decode
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import orjson

from kprov.kube.apiserver.protobuf.table import message_of, rows_of
from kprov.kube.apiserver.raw_json import spelled_out

Object = dict[str, Any]

Encoder = Callable[[Any], bytes]

MAGIC = b"k8s\x00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def varint(value: int) -> bytes:
    """A number, seven bits a byte; negative ones as sixty-four bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = [varint(number) for number in range(1024)]
_CONTENT = 2  # the number of an envelope's content, and of a list's items


def _small(value: int) -> bytes:
    return _SMALL[value] if 0 <= value < len(_SMALL) else varint(value)


def _bytes(number: int, value: bytes) -> bytes:
    return _small(number << 3 | 2) + _small(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return _small(number << 3) + _small(value)


@lru_cache(maxsize=1024)
def _time(value: str) -> bytes:
    moment = datetime.fromisoformat(value.replace("Z", "+00:00")) - _EPOCH
    seconds = moment.days * 86400 + moment.seconds
    nanos = moment.microseconds * 1000
    return (_number(1, seconds) if seconds else b"") + (_number(2, nanos) if nanos else b"")


def _duration(value: str) -> bytes:
    sign = -1 if value.startswith("-") else 1
    seconds = sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(r"([\d.]+)(ms|us|µs|ns|h|m|s)", value))
    return _number(1, sign * round(seconds * 1e9))


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return _number(1, 1) + _bytes(3, value.encode())
    return _number(2, value)


def _raw_json(value: Any) -> bytes:
    return _bytes(1, spelled_out(orjson.dumps(value)))


_TAIL = _bytes(3, b"") + _bytes(4, b"")  # contentEncoding and contentType, which are empty
_SPECIAL: dict[str, Encoder] = {
    "Time": _time,
    "MicroTime": _time,
    "Duration": _duration,
    "IntOrString": _int_or_string,
    "Quantity": lambda value: _bytes(1, str(value).encode()),
    "RawExtension": _raw_json,
    "FieldsV1": _raw_json,
}


@cache
def _field(number: int, kind: str) -> Encoder:
    """What encodes a field of a type, with its tag."""
    if kind in ("n", "h", "b"):
        plain = varint(number << 3)
        return lambda value: plain + _small(int(value))
    if kind == "f":
        fixed = varint(number << 3 | 1)
        return lambda value: fixed + struct.pack("<d", value)
    tag, small, most = varint(number << 3 | 2), _SMALL, len(_SMALL)
    if kind == "s":

        def text(value: Any) -> bytes:
            content = value.encode() if type(value) is str else str(value).encode()
            size = len(content)
            return tag + (small[size] if size < most else varint(size)) + content

        return text
    inner = b64decode if kind == "y" else _SPECIAL.get(kind) or _Message(kind)

    def sized(value: Any) -> bytes:
        content = inner(value)
        size = len(content)
        return tag + (small[size] if size < most else varint(size)) + content

    return sized


def _map(number: int, kind: str) -> Encoder:
    """What encodes a map, its entries one by one."""
    tag, name, content = varint(number << 3 | 2), _field(1, "s"), _field(2, kind)

    def entries(value: dict[str, Any]) -> bytes:
        out = []
        for key, item in value.items():
            entry = name(key) + content(item)
            out.append(tag + _small(len(entry)) + entry)
        return b"".join(out)

    return entries


def _list(each: Encoder) -> Encoder:
    """What encodes the items of a list."""
    return lambda items: b"".join([each(item) for item in items])


class _Message:
    """What encodes messages of one type. Their fields are looked up when the first one comes: types refer to others,
    and to themselves.

    The fields come in the order of their numbers, as upstream has them. One without a name in JSON is the value itself.
    """

    __slots__ = ("_fields", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._fields: tuple[tuple[str | None, Encoder], ...] | None = None

    def _plan(self) -> tuple[tuple[str | None, Encoder], ...]:
        plan: list[tuple[str | None, Encoder]] = []
        for text, (field, kind, flags) in (rows_of(self._name) or {}).items():
            number = int(text)
            if "i" in flags:  # a part that JSON does not tell from the whole
                plan.append((None, _field(number, kind)))
            elif not field:  # a list that Go gives a name
                plan.append((None, _list(_field(number, kind))))
            elif "m" in flags:
                plan.append((field, _map(number, kind)))
            else:
                plan.append((field, _list(_field(number, kind)) if "l" in flags else _field(number, kind)))
        self._fields = tuple(plan)
        return self._fields

    def __call__(self, value: Any) -> bytes:
        fields = self._fields
        if fields is None:
            fields = self._plan()
        out = []
        for field, encoder in fields:
            item = value if field is None else value.get(field)
            if item is not None:
                out.append(encoder(item))
        return b"".join(out)


@cache
def _message_encoder(name: str) -> _Message:
    return _Message(name)


def _message(name: str, value: Any) -> bytes:
    return _message_encoder(name)(value)


def encodable(group: str, version: str, kind: str) -> bool:
    """Whether a kind has a message."""
    return message_of(group, version, kind) is not None


def encode(obj: Object) -> bytes:
    """An object in Kubernetes' envelope. Raises KeyError for a kind without a message."""
    return envelope(obj["apiVersion"], obj["kind"], pack(obj))


def pack(obj: Object) -> bytes:
    """An object as a field, as it lies in its envelope and in lists: both have the number 2 for it.

    Raises KeyError for a kind without a message.
    """
    return _bytes(_CONTENT, _message(_name_of(obj), obj))


def envelope(api_version: str, kind: str, packed: bytes) -> bytes:
    """What ``pack`` made of an object, in Kubernetes' envelope."""
    return b"%b%b%b" % (_head(api_version, kind), packed, _TAIL)


def _name_of(obj: Object) -> str:
    api_version, kind = obj["apiVersion"], obj["kind"]
    group, _, version = api_version.rpartition("/")
    name = message_of(group, version, kind)
    if name is None:
        raise KeyError(f"{kind} of {api_version} has no protobuf")
    return name


@lru_cache(maxsize=512)
def _head(api_version: str, kind: str) -> bytes:
    """How an envelope begins."""
    return MAGIC + _bytes(1, _bytes(1, api_version.encode()) + _bytes(2, kind.encode()))


class ListEncoder:
    """Encodes a list bit by bit, as its items come.

    Args:
        head: the list without its items. Raises KeyError for a kind without a message.
    """

    def __init__(self, head: Object) -> None:
        name = _name_of(head)
        rows = rows_of(name) or {}
        self._head = head
        self._encoder = next(_field(int(key), row[1]) for key, row in rows.items() if row[0] == "items")
        self._parts = [_message(name, {**head, "items": ()})]

    def add(self, items: Iterable[Object]) -> None:
        """Take the next items."""
        self._parts.append(b"".join(map(self._encoder, items)))

    def add_packed(self, items: Iterable[bytes]) -> None:
        """Take the next items, as ``pack`` made them."""
        self._parts += items

    def finish(self) -> list[bytes]:
        """The whole, in pieces."""
        head = _head(self._head["apiVersion"], self._head["kind"])
        length = varint(_CONTENT << 3 | 2) + varint(sum(map(len, self._parts)))
        return [head + length, *self._parts, _TAIL]


def encode_event(type_: str, obj: Object) -> bytes:
    """A watch event as it goes over the wire: its length, then a bare WatchEvent with the object in its envelope."""
    return event(type_, encode(obj))


def event(type_: str, enveloped: bytes) -> bytes:
    """A watch event, see ``encode_event``, of an object in its envelope."""
    content = _bytes(1, type_.encode()) + _bytes(2, _bytes(1, enveloped))
    return struct.pack(">I", len(content)) + content
