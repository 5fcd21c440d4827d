"""Encodes a list in JSON bit by bit, as its members come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

Object = dict[str, Any]


class JSONListEncoder:
    """One list.

    Args:
        head: all of it but its members.
        member: under which name they are in it.
    """

    def __init__(self, head: Object, member: str) -> None:
        self._pieces = [b'%b,"%b":[' % (orjson.dumps(head)[:-1], member.encode())]

    def add(self, items: Sequence[Object]) -> None:
        """Take the next members."""
        if items:
            self._pieces += (orjson.dumps(items)[1:-1], b",")

    def finish(self) -> list[bytes]:
        """The whole, in pieces."""
        if len(self._pieces) > 1:
            self._pieces.pop()
        return [*self._pieces, b"]}"]
