"""How much is kept of what objects are in protobuf, beside their JSON."""

from __future__ import annotations

LIMIT_BYTES = 64 << 20


class PackedRoom:
    """Counts the bytes that the entries of all caches keep, and says when there is no more room.

    Nothing is thrown out to make room: who lists everything again and again, in order, would find that just what
    comes next had gone. What is kept goes when its object changes.

    Args:
        limit: bytes that may be kept.
    """

    __slots__ = ("_limit", "held")

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._limit = limit
        self.held = 0

    def take(self, size: int) -> bool:
        """Whether so many bytes more may be kept; they are counted then."""
        if self.held + size > self._limit:
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        """So many bytes are kept no longer."""
        self.held -= size
