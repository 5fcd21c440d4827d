"""Columns and the cells under them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Object = dict[str, Any]
Cells = list[Any]
Row = Callable[[Object, float], Cells]
"""The cells of an object at a time (seconds since the epoch)."""

WIDE = 1  # the priority of what only ``-o wide`` shows


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one kind.

    Args:
        definitions: the columnDefinitions of its Table.
        row: an object's cells, in their order.
    """

    definitions: list[Object]
    row: Row

    def cells(self, obj: Object) -> Cells:
        """An object's cells now."""
        return self.row(obj, time.time())


def columns(spec: str, row: Row) -> Columns:
    """Columns from their names.

    Args:
        spec: names separated by "|"; "name:integer" gives another type than string, a "+" at the end means ``-o wide``.
        row: an object's cells.
    """
    return Columns([_definition(each.strip()) for each in spec.split("|")], row)


def _definition(text: str) -> Object:
    wide = text.endswith("+")
    name, _, kind = text.removesuffix("+").partition(":")
    return {
        "name": name,
        "type": kind or "string",
        "format": "name" if name == "Name" else "",
        "description": "",
        "priority": WIDE if wide else 0,
    }


def seconds_of(timestamp: str | None) -> float | None:
    """A timestamp in seconds since the epoch, or None."""
    if not timestamp:
        return None
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return None


def since(timestamp: str | None, now: float) -> str:
    """How long ago a moment was, as people read it."""
    moment = seconds_of(timestamp)
    return "<unknown>" if moment is None else human_duration(now - moment)


def age(obj: Object, now: float) -> str:
    """How old an object is."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def human_duration(seconds: float) -> str:
    """A duration in the two units that matter: 45s, 5m30s, 3h, 2d4h, 1y20d."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = whole // 3600
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}" + (f"{second}{second_unit}" if second else "")


def name(obj: Object) -> str:
    """An object's name."""
    return str(obj["metadata"].get("name") or "")


def or_none(text: Any) -> str:
    """A text, or what stands for none."""
    return str(text) if text else "<none>"


def containers_and_images(spec: Object) -> list[str]:
    """The names and images of a pod spec's containers."""
    found = spec.get("containers") or []
    return [
        ",".join(str(each.get("name") or "") for each in found),
        ",".join(str(each.get("image") or "") for each in found),
    ]


def selector_text(selector: Object | None) -> str:
    """A LabelSelector as text."""
    if selector is None:
        return "<none>"
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for each in selector.get("matchExpressions") or ():
        key, operator, values = each.get("key"), each.get("operator"), ",".join(sorted(each.get("values") or ()))
        match operator:
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(str(key))
            case "DoesNotExist":
                parts.append(f"!{key}")
    return or_none(",".join(parts))


def labels_text(labels: Object | None) -> str:
    """A map of labels as text."""
    return or_none(",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())))
