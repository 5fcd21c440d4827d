"""Which lists merge, and by which key: upstream's patch strategies, from a table beside this file.

``merge_keys.json`` is made from upstream's published schemas by ``python -m kprov.kube.api.patches.extract``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = orjson.loads((Path(__file__).parent / "merge_keys.json").read_bytes())
    return table


@dataclass(frozen=True, slots=True)
class Shape:
    """How the fields of one type merge. An empty name stands for a type without lists that merge."""

    name: str = ""

    def _row(self, field: str) -> list[Any] | None:
        row: list[Any] | None = _table()["types"].get(self.name, {}).get(field)
        return row

    def child(self, field: str) -> Shape:
        """The type of a field's value, or of a list's elements."""
        row = self._row(field)
        return Shape(row[0] if row else "")

    def merges(self, field: str) -> bool:
        """Whether a list is merged rather than replaced."""
        row = self._row(field)
        return bool(row and row[1])

    def merge_key(self, field: str) -> str | None:
        """The key that a list's elements are told apart by; None for lists of plain values."""
        row = self._row(field)
        return row[2] if row else None


def shape_of_kind(kind: str) -> Shape:
    """The type of a kind, "group/version/Kind"; types that are not in the table merge as a merge patch would."""
    return Shape(_table()["kinds"].get(kind, ""))
