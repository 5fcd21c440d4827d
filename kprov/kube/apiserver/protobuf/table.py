"""The table of upstream's types: which fields a message has, and of which type each is."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

Row = list[str]  # JSON name, type, flags: see extract.py


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = orjson.loads((Path(__file__).parent / "fields.json").read_bytes())
    return table


def message_of(group: str, version: str, kind: str) -> str | None:
    """The message of a kind; options (DeleteOptions, ...) are meta's whatever group they are sent to."""
    kinds = _table()["kinds"]
    found: str | None = kinds.get(f"{group}/{version}/{kind}") or kinds.get(f"meta/v1/{kind}")
    return found


def rows_of(message: str) -> dict[str, Row] | None:
    """A message's rows by field number, or None where it is not known."""
    rows: dict[str, Row] | None = _table()["messages"].get(message)
    return rows


@cache
def fields_of(message: str) -> dict[str, tuple[str, str]] | None:
    """A message's fields by their JSON name, as (type, flags), inlined ones among them; None where it is not known."""
    rows = rows_of(message)
    if rows is None:
        return None
    fields: dict[str, tuple[str, str]] = {}
    for name, kind, flags in rows.values():
        if "i" in flags:
            fields.update(fields_of(kind) or {})
        else:
            fields[name] = (kind, flags)
    return fields
