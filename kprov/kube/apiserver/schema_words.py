"""The words that schemas of our own are written in."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
BYTES: Schema = {"type": "string", "format": "byte"}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "integer"}
ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def fields(**properties: Schema) -> Schema:
    """An object with these fields, all of which may be missing."""
    return {"type": "object", "properties": properties}


def list_of(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}
