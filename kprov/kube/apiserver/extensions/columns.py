"""The printer columns that a definition asks for."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.columns.table import Columns, age, since
from kprov.kube.apiserver.extensions import json_path

Object = dict[str, Any]


def columns_of(wanted: list[Object] | None) -> Columns:
    """The name, then what additionalPrinterColumns ask for; the age where they ask for nothing."""
    definitions = [_definition("Name", "string", "name")]
    if not wanted:
        return Columns(
            [*definitions, _definition("Age", "date")],
            lambda obj, now: [obj["metadata"].get("name", ""), age(obj, now)],
        )
    definitions += [
        _definition(
            each["name"], each["type"], each.get("format", ""), each.get("description", ""), each.get("priority", 0)
        )
        for each in wanted
    ]

    def row(obj: Object, now: float) -> list[Any]:
        return [obj["metadata"].get("name", ""), *(_cell(obj, each, now) for each in wanted)]

    return Columns(definitions, row)


def _definition(name: str, kind: str, form: str = "", description: str = "", priority: int = 0) -> Object:
    return {"name": name, "type": kind, "format": form, "description": description, "priority": priority}


def _cell(obj: Object, column: Object, now: float) -> Any:
    found = json_path.find(obj, column["jsonPath"])
    if not found:
        return None
    value, kind = found[0], column["type"]
    if kind == "date":
        return since(value, now) if isinstance(value, str) else None
    if kind == "integer":
        return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind == "number":
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        import orjson

        return orjson.dumps(value).decode()
    return "" if value is None else str(value)
