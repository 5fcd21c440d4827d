"""Values that have no fields: texts, numbers, times, of the types that upstream's structs give them."""

from __future__ import annotations

import base64
from typing import Any

from kprov.kube.api.clock import is_time

_JSON_NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
GO_NAMES = {"s": "string", "n": "int64", "h": "int32", "b": "bool", "y": "[]uint8", "f": "float64",
             "Time": "time.Time", "MicroTime": "time.Time", "Duration": "string"}  # fmt: skip


class Mismatch(Exception):
    """A value of the wrong type."""

    of_map = False
    given = ""

    def __init__(self, path: str, value: Any, wanted: str) -> None:
        self.given = _JSON_NAMES.get(type(value), "null")
        self.of_map = wanted.startswith("map[")
        super().__init__(f"json: cannot unmarshal {self.given} into Go struct field {path} of type {wanted}")


class _Unreadable(Mismatch):
    """A text that does not say what it should."""

    def __init__(self, said: str, path: str) -> None:
        Exception.__init__(self, f"{path}: {said}")


class _TooLarge(Mismatch):
    """A number that its field has no room for."""

    def __init__(self, path: str, value: int, wanted: str) -> None:
        Exception.__init__(self, f"json: cannot unmarshal number {value} into Go struct field {path} of type {wanted}")


def _fits(value: int, bits: int) -> bool:
    return -(1 << bits - 1) <= value < 1 << bits - 1


def _is_base64(text: str) -> bool:
    """Whether it is base64, of lines or without any."""
    if "\n" in text or "\r" in text:
        text = text.replace("\n", "").replace("\r", "")
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def scalar(kind: str, value: Any, path: str) -> Any:
    """A field's value as its type has it.

    Args:
        kind: the type, as the table of types has it.
        value: what was sent.
        path: the field.

    Raises:
        Mismatch: it is none of that type.
    """
    match kind:
        case "s" | "Duration":
            good = isinstance(value, str)
        case "y":
            good = isinstance(value, str)
            if good and not _is_base64(value):
                raise _Unreadable("illegal base64 data", path)
        case "Time" | "MicroTime":
            good = isinstance(value, str)
            if good and not is_time(value):
                layout = "2006-01-02T15:04:05Z07:00"
                raise _Unreadable(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as a time', path)
        case "n" | "h":
            good = isinstance(value, int) and not isinstance(value, bool)
            if good and not _fits(value, 32 if kind == "h" else 64):  # one such number, and no client reads the list
                raise _TooLarge(path, value, GO_NAMES[kind])
        case "b":
            good = isinstance(value, bool)
        case "f":
            good = isinstance(value, (int, float)) and not isinstance(value, bool)
        case "IntOrString":
            good = isinstance(value, (int, str)) and not isinstance(value, bool)
            if isinstance(value, int) and good and not _fits(value, 32):
                raise _TooLarge(path, value, "int32")
        case "Quantity":
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return str(value)
            good = isinstance(value, str)
        case _:
            return value  # raw JSON
    if not good:
        raise Mismatch(path, value, GO_NAMES.get(kind, kind))
    return value
