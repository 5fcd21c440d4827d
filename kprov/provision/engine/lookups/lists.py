"""Lookups that make lists: those of `with_items`, `with_nested`, `with_sequence` and the like."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Mapping
from typing import Any

from kprov.provision.engine.lookups.context import Lookup, LookupContext, LookupProblem, flat


def _items(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return flat(terms, deep=False)


def _list(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return list(terms)


def _flattened(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [item for item in flat(terms) if item is not None]


def _dict(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found = []
    for term in flat(terms):
        if not isinstance(term, Mapping):
            raise LookupProblem(f"with_dict needs a mapping, not {type(term).__name__}")
        found += [{"key": key, "value": value} for key, value in term.items()]
    return found


def _indexed_items(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [list(pair) for pair in enumerate(flat(terms, deep=False))]


def _lists(terms: list[Any]) -> list[list[Any]]:
    return [list(term) if isinstance(term, (list, tuple)) else [term] for term in terms]


def _nested(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    if not terms:
        raise LookupProblem("with_nested needs a list of lists")
    return [flat(list(items), deep=False) for items in itertools.product(*_lists(terms))]


def _together(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    if not terms:
        raise LookupProblem("with_together needs a list of lists")
    return [flat(list(items), deep=False) for items in itertools.zip_longest(*_lists(terms))]


def _subelements(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    if not 2 <= len(terms) <= 3:
        raise LookupProblem("with_subelements needs a list (or mapping) and the name of a list within its items")
    whole, path = terms[0], str(terms[1]).split(".")
    flags = terms[2] if len(terms) == 3 and isinstance(terms[2], Mapping) else {}
    found: list[Any] = []
    for element in whole.values() if isinstance(whole, Mapping) else whole:
        if not isinstance(element, Mapping):
            raise LookupProblem(f"with_subelements needs mappings, not {type(element).__name__}")
        if element.get("skipped") is True:
            continue
        value: Any = element
        for key in path:
            if not isinstance(value, Mapping) or key not in value:
                value = None
                break
            value = value[key]
        if value is None:
            if flags.get("skip_missing"):
                continue
            raise LookupProblem(f"an item has no '{terms[1]}': {element}")
        if not isinstance(value, (list, tuple)):
            raise LookupProblem(f"'{terms[1]}' must be a list, not {type(value).__name__}")
        found += [[element, item] for item in value]
    return found


def _random_choice(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [random.choice(terms)] if terms else []


_SEQUENCE = re.compile(r"^((\d+|0x[0-9a-fA-F]+|0[0-7]+)-)?(\d+|0x[0-9a-fA-F]+)(/(\d+))?(:(.+))?$")


def _sequence(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found: list[Any] = []
    for term in terms or [""]:
        given = dict(options)
        short = _SEQUENCE.match(str(term))
        if short is not None:
            given.update(start=short[2] or 1, end=short[3], stride=short[5] or 1, format=short[7] or "%d")
        else:
            given.update(dict(pair.split("=", 1) for pair in str(term).split() if "=" in pair))
        found += _counted(given)
    return found


def _counted(given: Mapping[str, Any]) -> list[str]:
    def number(name: str, default: int) -> int:
        return int(str(given.get(name, default)), 0)

    start, stride = number("start", 1), number("stride", 1)
    if "count" in given:
        count = number("count", 0)
        end = start + count * stride - (1 if stride > 0 else -1)
        if count == 0:
            return []
    elif "end" in given:
        end = number("end", 0)
    else:
        raise LookupProblem("with_sequence needs end= or count=")
    if stride == 0 or (stride > 0 and end < start) or (stride < 0 and end > start):
        raise LookupProblem("with_sequence never ends: to count backwards give a negative stride")
    shown = str(given.get("format", "%d"))
    return [shown % value for value in range(start, end + (1 if stride > 0 else -1), stride)]


LISTS: dict[str, Lookup] = {
    "cartesian": _nested,
    "dict": _dict,
    "flattened": _flattened,
    "indexed_items": _indexed_items,
    "items": _items,
    "list": _list,
    "nested": _nested,
    "random_choice": _random_choice,
    "sequence": _sequence,
    "subelements": _subelements,
    "together": _together,
}
