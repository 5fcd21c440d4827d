"""Messages as they are sent to a machine: what `wire.encode` makes of them, in a tenth of its time."""

from __future__ import annotations

from typing import Any

import orjson

from kprov.provision.agent import wire

# What is no JSON for Python is none here.
_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def frame(message: dict[str, Any]) -> bytes:
    """A message's frame.

    Args:
        message: what to say; must be representable in JSON.

    Raises:
        TypeError, ValueError: it is not.
    """
    try:
        text = orjson.dumps(message, option=_STRICT)
    except TypeError:  # Python writes what it does not: numbers of any size, keys that are numbers
        return wire.encode(message)
    if b"null" in text:  # it writes so what Python calls NaN, too
        return wire.encode(message)
    return wire.HEADER.pack(len(text), 0) + text
