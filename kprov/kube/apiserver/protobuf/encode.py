"""Encodes objects in JSON's shape as Kubernetes' protobuf, by the same table as they are decoded by."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
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


def _bytes(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


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


def _sized(tag: bytes, value: bytes) -> bytes:
    size = len(value)
    return tag + (_SMALL[size] if size < len(_SMALL) else varint(size)) + value


@cache
def _field(number: int, kind: str) -> Encoder:
    """What encodes a field of a type, with its tag."""
    if kind in ("n", "b"):
        plain = varint(number << 3)
        return lambda value: plain + varint(int(value))
    if kind == "f":
        fixed = varint(number << 3 | 1)
        return lambda value: fixed + struct.pack("<d", value)
    tag = varint(number << 3 | 2)
    if kind == "s":
        return lambda value: _sized(tag, str(value).encode())
    if kind == "y":
        return lambda value: _sized(tag, base64.b64decode(value))
    inner = _SPECIAL.get(kind) or partial(_message, kind)
    return lambda value: _sized(tag, inner(value))


def _entry(number: int, kind: str) -> Callable[[str, Any], bytes]:
    """What encodes a map's entry."""
    tag, name, content = varint(number << 3 | 2), _field(1, "s"), _field(2, kind)
    return lambda key, value: _sized(tag, name(key) + content(value))


@cache
def _plan(name: str) -> tuple[tuple[str, str, Any], ...]:
    """A message's fields in the order of their numbers: JSON name, how often it is there, and what encodes one."""
    plan: list[tuple[str, str, Any]] = []
    for text, (field, kind, flags) in (rows_of(name) or {}).items():
        number = int(text)
        if "i" in flags:
            plan.append(("", "i", _field(number, kind)))
        elif "m" in flags:
            plan.append((field, "m", _entry(number, kind)))
        else:
            plan.append((field, "l" if "l" in flags else "", _field(number, kind)))
    return tuple(plan)


def _message(name: str, value: Any) -> bytes:
    plan = _plan(name)
    if plan and plan[0][0] == "" and plan[0][1] != "i":  # a list that Go gives a name
        each = _field(1, (rows_of(name) or {})["1"][1])
        return b"".join([each(item) for item in value])
    out = []
    for field, often, encoder in plan:
        if often == "i":  # a part that JSON does not tell from the whole
            out.append(encoder(value))
            continue
        item = value.get(field)
        if item is None:
            continue
        if not often:
            out.append(encoder(item))
        elif often == "l":
            out += [encoder(each) for each in item]
        else:
            out += [encoder(key, each) for key, each in item.items()]
    return b"".join(out)


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
