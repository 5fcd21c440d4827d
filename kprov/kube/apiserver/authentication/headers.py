"""A request's headers, as this room reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol


class Headers(Protocol):
    """Headers by name, whatever the case; aiohttp's CIMultiDict is one."""

    def get(self, name: str) -> str | None:
        """The first value of a header, or None."""

    def getall(self, name: str, default: Iterable[str] = ()) -> Iterable[str]:
        """Every value of a header."""

    def __iter__(self) -> Iterator[str]: ...
