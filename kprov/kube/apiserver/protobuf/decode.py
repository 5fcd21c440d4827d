"""Decodes Kubernetes' protobuf by a table of fields, straight into JSON's shape.

What a typed server does by decoding into structs and encoding again is done here by the table's flags: a field that
is no pointer and is left out of JSON when empty is dropped when it is zero.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from kprov.kube.apiserver.protobuf.table import message_of, rows_of

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_EMPTY: tuple[Any, ...] = ("", 0, False, 0.0)


class ProtobufError(ValueError):
    """The bytes are not what they are said to be."""


def _varint(data: bytes, place: int) -> tuple[int, int]:
    shift = value = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ProtobufError("a number is too long")


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: numbers as ints, everything with a length as bytes, doubles as floats."""
    place, end = 0, len(data)
    while place < end:
        tag, place = _varint(data, place)
        wire = tag & 7
        value: Any
        if wire == 0:
            value, place = _varint(data, place)
        elif wire == 2:
            length, place = _varint(data, place)
            value = data[place : place + length]
            if len(value) != length:
                raise ProtobufError("the message ends too early")
            place += length
        elif wire == 1:
            value = struct.unpack_from("<d", data, place)[0]
            place += 8
        elif wire == 5:
            value = struct.unpack_from("<f", data, place)[0]
            place += 4
        else:
            raise ProtobufError(f"unknown wire type {wire}")
        yield tag >> 3, value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _time(data: bytes, micro: bool) -> str | None:
    seconds = nanos = 0
    for number, value in _fields(data):
        if number == 1:
            seconds = _signed(value)
        elif number == 2:
            nanos = _signed(value)
    if not data:
        return None
    moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    text = moment.strftime("%m-%dT%H:%M:%S")
    text = f"{moment.year:04d}-{text}"  # strftime does not fill up years of old
    return f"{text}.{nanos // 1000:06d}Z" if micro else f"{text}Z"


def _duration(data: bytes) -> str:
    nanos = next((_signed(value) for number, value in _fields(data) if number == 1), 0)
    if not nanos:
        return "0s"
    seconds, rest = divmod(abs(nanos), 1_000_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    text = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return ("-" if nanos < 0 else "") + f"{text}{seconds}{fraction}s"


def _int_or_string(data: bytes) -> int | str:
    found = dict(_fields(data))
    return found.get(3, b"").decode() if found.get(1, 0) else _signed(found.get(2, 0))


def _first_text(data: bytes) -> str:
    return next((value.decode() for number, value in _fields(data) if number == 1), "")


def _raw_json(data: bytes) -> Any:
    raw = next((value for number, value in _fields(data) if number == 1), b"")
    return orjson.loads(raw) if raw else None


_SPECIAL = {
    "Time": lambda data: _time(data, False),
    "MicroTime": lambda data: _time(data, True),
    "Duration": _duration,
    "IntOrString": _int_or_string,
    "Quantity": lambda data: _first_text(data) or "0",
    "RawExtension": _raw_json,
    "FieldsV1": _raw_json,
}


def _value(kind: str, value: Any) -> Any:
    match kind:
        case "s":
            return value.decode()
        case "n" | "h":
            return _signed(value)
        case "b":
            return bool(value)
        case "y":
            return base64.b64encode(value).decode()
        case "f":
            return value
    special = _SPECIAL.get(kind)
    return special(value) if special else _message(kind, value)


def _message(name: str, data: bytes) -> Any:
    rows = rows_of(name)
    if rows is None:
        return {}
    if rows.get("1", ("-",))[0] == "":  # a list that Go gives a name
        return [_value(rows["1"][1], value) for _, value in _fields(data)]
    out: dict[str, Any] = {}
    for number, value in _fields(data):
        row = rows.get(str(number))
        if row is None:
            continue  # a field that this server does not know
        field, kind, flags = row
        if "m" in flags:
            key, item = _entry(kind, value)
            out.setdefault(field, {})[key] = item
        elif "l" in flags:
            out.setdefault(field, []).append(_value(kind, value))
        elif "i" in flags:
            out.update(_value(kind, value))
        else:
            decoded = _value(kind, value)
            if decoded is None or ("o" in flags and "p" not in flags and decoded in _EMPTY):
                continue
            out[field] = decoded
    return out


def _entry(kind: str, data: bytes) -> tuple[str, Any]:
    found = dict(_fields(data))
    missing: Any = b"" if kind not in ("n", "h", "b", "f") else 0
    return found.get(1, b"").decode(), _value(kind, found.get(2, missing))


def decode(body: bytes) -> dict[str, Any]:
    """An object of a body in Kubernetes' envelope.

    Raises:
        ProtobufError: it is malformed, or of a kind that is not known here.
    """
    if not body.startswith(_MAGIC):
        raise ProtobufError("the body does not begin as Kubernetes' protobuf does")
    try:
        envelope = dict(_fields(body[len(_MAGIC) :]))
        kind_of = dict(_fields(envelope.get(1, b"")))
        api_version, kind = kind_of.get(1, b"").decode(), kind_of.get(2, b"").decode()
        group, _, version = api_version.rpartition("/")
        name = message_of(group, version, kind)
        if name is None:
            raise ProtobufError(f'no kind "{kind}" is registered for version "{api_version}"')
        obj: dict[str, Any] = {"kind": kind, "apiVersion": api_version, **_message(name, envelope.get(2, b""))}
        return obj
    except (IndexError, AttributeError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise ProtobufError(f"the body is not valid protobuf: {error}") from error
