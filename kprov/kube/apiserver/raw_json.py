"""JSON that clients compare byte by byte with what their own encoder would write.

Objects within objects travel as they were written (RawExtension). Controllers and kubectl tell whether a revision in
the history of a DaemonSet or StatefulSet is the present one by comparing its data's bytes with the template as Go's
encoder writes it: names in order, nothing between them, and the characters that HTML gives a meaning spelled out. The
order is the writer's; the spelling is lost with the first parser, here or elsewhere, and has to be made again.
"""

from __future__ import annotations

_SPELLED_OUT = (
    (b"&", b"\\u0026"),
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def spelled_out(json: bytes) -> bytes:
    """The same JSON, with characters spelled out as Go's encoder does: they can stand nowhere but within strings."""
    for character, name in _SPELLED_OUT:
        if character in json:
            json = json.replace(character, name)
    return json
