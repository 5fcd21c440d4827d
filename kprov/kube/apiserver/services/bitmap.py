"""A range of things to give out (addresses, ports), kept in etcd as upstream's RangeAllocation.

``data`` is a bitmap in base64, the bytes of one big-endian number whose bit N stands for the range's Nth item.
Several API servers share it: every change is a compare on the revision that it was computed from.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterable

import orjson

from kprov.kube.apiserver.storage.writer import Stored, Writer


class Full(Exception):
    """Nothing is left of a range."""


class Taken(Exception):
    """What was asked for is given out already."""


class SharedBitmap:
    """One range.

    Args:
        writer: the way to etcd.
        key: where the bitmap lies.
        name: the range as people write it ("10.96.0.0/16").
        size: how many items it has.
        reserved: items from the start that are only given to those who ask for them by number.
    """

    def __init__(self, writer: Writer, key: bytes, name: str, size: int, reserved: int = 0) -> None:
        self._writer = writer
        self._key = key
        self._name = name
        self._size = size
        self._reserved = reserved
        self._known: Stored | None = None
        self._looked = False

    def _bits(self, stored: Stored | None) -> int:
        if stored is None:
            return 0
        obj = orjson.loads(stored.value)
        return int.from_bytes(base64.b64decode(obj.get("data") or ""), "big") if obj.get("range") == self._name else 0

    def _value(self, bits: int) -> bytes:
        data = base64.b64encode(bits.to_bytes((bits.bit_length() + 7) // 8, "big")).decode()
        return orjson.dumps(
            {
                "kind": "RangeAllocation",
                "apiVersion": "v1",
                "metadata": {"creationTimestamp": None},
                "range": self._name,
                "data": data,
            }
        )

    async def change(self, compute: Callable[[int], int]) -> None:
        """Store what ``compute`` makes of the bits, until nobody came in between. What it raises is passed on."""
        stored, certain = self._known, False
        if not self._looked:
            (stored, _), certain = await self._writer.read(self._key), True
            self._looked = True
        while True:
            bits = self._bits(stored)
            try:
                new = compute(bits)
            except (Full, Taken):
                if certain:
                    raise
                (stored, _), certain = await self._writer.read(self._key), True
                continue
            if new == bits and certain:
                return
            value = self._value(new)
            outcome = await self._writer.put(self._key, value, stored.revision if stored else 0)
            if outcome.done:
                self._known = Stored(value, outcome.revision, 0)
                return
            stored, certain = outcome.found, True

    async def take(self, number: int) -> None:
        """Take an item by its number. Raises Taken."""

        def compute(bits: int) -> int:
            if bits >> number & 1:
                raise Taken
            return bits | 1 << number

        await self.change(compute)

    async def take_any(self) -> int:
        """Take a random item. Raises Full."""
        chosen = -1

        def compute(bits: int) -> int:
            nonlocal chosen
            chosen = self._free(bits)
            return bits | 1 << chosen

        await self.change(compute)
        return chosen

    def _free(self, bits: int) -> int:
        for low in (self._reserved, 0):  # the reserved part only when the rest is used up
            for _ in range(32):
                number = random.randrange(low, self._size) if low < self._size else 0
                if not bits >> number & 1:
                    return number
            for number in range(low, self._size):
                if not bits >> number & 1:
                    return number
        raise Full

    async def give_back(self, numbers: Iterable[int]) -> None:
        """Give items back."""
        mask = 0
        for number in numbers:
            mask |= 1 << number
        if mask:
            await self.change(lambda bits: bits & ~mask)

    async def mark(self, numbers: Iterable[int]) -> None:
        """See to it that items that are in use are taken."""
        mask = 0
        for number in numbers:
            mask |= 1 << number
        await self.change(lambda bits: bits | mask)
