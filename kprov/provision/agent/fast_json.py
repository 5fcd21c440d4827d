"""JSON by the C code that Python's `json` rests on, without what `json` imports.

The agent starts on every connection, and `json` with its regular expressions is a third of that start.
"""

from __future__ import annotations

from typing import Any

try:
    import _json as c_code
except ImportError:  # a Python without it
    c_code = None  # type: ignore[assignment]


class _Settings:
    """How the scanner reads, as JSONDecoder has it by default."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def _refuse(value: Any) -> Any:
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


if c_code is not None:
    _scan = c_code.make_scanner(_Settings())  # type: ignore[arg-type]
    _quote = c_code.encode_basestring_ascii

    def loads(text: bytes) -> Any:
        """A JSON text's value. Raises ValueError."""
        decoded = text.decode()
        try:
            value, end = _scan(decoded, 0)
        except StopIteration as stop:
            raise ValueError("no JSON at character %s" % stop.value) from None
        if end != len(decoded):
            raise ValueError("more than one value: a second one at character %d" % end)
        return value

    def dumps(value: Any) -> bytes:
        """A value as JSON without spaces. Raises TypeError, ValueError."""
        encode = c_code.make_encoder({}, _refuse, _quote, None, ":", ",", False, False, True)
        return "".join(encode(value, 0)).encode()

else:
    import json

    def loads(text: bytes) -> Any:
        """A JSON text's value. Raises ValueError."""
        return json.loads(text)

    def dumps(value: Any) -> bytes:
        """A value as JSON without spaces. Raises TypeError, ValueError."""
        return json.dumps(value, separators=(",", ":")).encode()
