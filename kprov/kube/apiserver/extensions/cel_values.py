"""Values of custom objects as rules see them: typed by their schema, under names that CEL can write."""

from __future__ import annotations

import base64
import binascii
from typing import Any

Schema = dict[str, Any]

_RESERVED = frozenset({"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
                       "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"})  # fmt: skip # noqa: E501
_ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_META = {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}
_TEXT = {"type": "string"}


def escaped(name: str) -> str:
    """A property's name as a rule writes it."""
    if name in _RESERVED:
        return f"__{name}__"
    for part, word in _ESCAPES:
        name = name.replace(part, word)
    return name


def with_identity(schema: Schema) -> Schema:
    """A schema of whole resources with what rules may read of them besides their own fields."""
    properties = {**(schema.get("properties") or {}), "apiVersion": _TEXT, "kind": _TEXT, "metadata": _META}
    return {**schema, "properties": properties}


def to_cel(value: Any, schema: Schema) -> Any:
    """A value as CEL has it; fields that the schema does not name cannot be seen."""
    if value is None or schema.get("x-kubernetes-int-or-string"):
        return value
    if isinstance(value, dict):
        if schema.get("x-kubernetes-embedded-resource"):
            schema = with_identity(schema)
        properties, others = schema.get("properties"), schema.get("additionalProperties")
        if properties:
            return {escaped(name): to_cel(value[name], below) for name, below in properties.items() if name in value}
        if isinstance(others, dict):
            return {name: to_cel(each, others) for name, each in value.items()}
        return dict(value) if schema.get("x-kubernetes-preserve-unknown-fields") or others is True else {}
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [to_cel(each, items) for each in value]
    kind, form = schema.get("type"), schema.get("format")
    if isinstance(value, str) and kind == "string" and form in ("byte", "date", "date-time", "duration"):
        return _formatted(value, form)
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind == "integer" and isinstance(value, float):
        return int(value)
    return value


def _formatted(value: str, form: str) -> Any:
    from google.protobuf.duration_pb2 import Duration  # how CEL's runtime takes moments and durations
    from google.protobuf.timestamp_pb2 import Timestamp

    try:
        match form:
            case "byte":
                return base64.b64decode(value, validate=True)
            case "duration":
                duration = Duration()
                duration.FromTimedelta(_duration(value))
                return duration
        moment = Timestamp()
        moment.FromJsonString(f"{value}T00:00:00Z" if form == "date" else value)
        return moment
    except (ValueError, binascii.Error):  # the schema's own check says so
        return value


def _duration(text: str) -> Any:
    import re
    from datetime import timedelta

    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
    found = re.findall(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)", text)
    if not found or "".join(map("".join, found)) != text.lstrip("+-"):
        raise ValueError(text)
    seconds = sum(float(number) * units[unit] for number, unit in found)
    return timedelta(seconds=-seconds if text.startswith("-") else seconds)
