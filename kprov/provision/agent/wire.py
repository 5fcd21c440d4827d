"""Frames: what controller and agent say to each other over one byte stream.

A frame is two lengths (big-endian, 32 bits each), then a JSON object, then an optional raw body (file content).
"""

from __future__ import annotations

import re
import struct
from typing import Any, BinaryIO

from kprov.provision.agent import fast_json

HEADER = struct.Struct(">II")

# A frame's JSON part carries arguments and results, never file content: more than this is a broken stream.
LARGEST_MESSAGE = 256 * 1024 * 1024

# What a machine answers to one request. A result is shown, remembered and reasoned about, all in the controller's
# memory, for hundreds of machines: what is larger belongs in a file.
LARGEST_RESULT = 32 * 1024 * 1024
MOST_VALUES = 1000000
DEEPEST = 100

# Content travels in chunks, so that neither side holds a large file in memory.
CHUNK = 1024 * 1024


_TEXT = rb'(?s)"(?:[^"\\]|\\.)*"'


class BrokenStream(Exception):
    """The bytes that arrived are no frame."""


def encode(message: dict[str, Any], body: bytes = b"") -> bytes:
    """Turn a message and its body into a frame's bytes.

    Args:
        message: what to say; must be representable in JSON.
        body: raw bytes that go with it.
    """
    text = fast_json.dumps(message)
    return HEADER.pack(len(text), len(body)) + text + body


def read_exactly(stream: BinaryIO, length: int) -> bytes | None:
    """Read `length` bytes, or None when the stream ends before."""
    data = stream.read(length)
    if data is None or len(data) < length:
        return None
    return data


def read_text(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Read one frame from a buffered stream.

    Returns:
        The message as it came and its body, or None at the stream's end (also when it ends within a frame: nothing can
        be done with half).

    Raises:
        BrokenStream: the lengths make no sense.
    """
    header = read_exactly(stream, HEADER.size)
    if header is None:
        return None
    text_length, body_length = HEADER.unpack(header)
    if text_length > LARGEST_MESSAGE or body_length > LARGEST_MESSAGE:
        raise BrokenStream(
            "a frame of %d+%d bytes was announced: the stream is out of step" % (text_length, body_length)
        )
    text = read_exactly(stream, text_length)
    if text is None:
        return None
    body = read_exactly(stream, body_length) if body_length else b""
    if body is None:
        return None
    return text, body


def decode(text: bytes) -> dict[str, Any]:
    """A frame's message.

    Raises:
        BrokenStream: it is no object.
    """
    try:
        message = fast_json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenStream("a frame's message is no JSON: %s" % error) from None
    if not isinstance(message, dict):
        raise BrokenStream("a frame's message must be an object")
    return message


def _values(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{") + text.count(b",")


def excess(text: bytes) -> str | None:
    """What is too much about a result: its length, or its values, which take many times more memory than their JSON."""
    if len(text) > LARGEST_RESULT:
        return "%d MB" % (len(text) >> 20)
    if len(text) > MOST_VALUES and _values(text) > MOST_VALUES and _values(re.sub(_TEXT, b"", text)) > MOST_VALUES:
        return "more than %d values" % MOST_VALUES
    return None


def too_deep(value: Any, text: bytes) -> bool:
    """Whether lists and objects are nested deeper than whoever walks through them can go.

    Args:
        value: what holds them.
        text: its JSON. So few brackets can't be nested deeper: most values are not walked through.
    """
    if text.count(b"{") + text.count(b"[") <= DEEPEST:
        return False
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
