"""Filters of the collection community.general, under their full names; of some also the short one that Ansible knows.

Source of each: the filter plugin of the same name in community.general.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any

from jinja2.exceptions import FilterArgumentError

from kprov.provision.engine.filters.collections import FILTERS as LISTS
from kprov.provision.engine.filters.collections import distinct


def _json_query(value: Any, expression: str) -> Any:
    """A JMESPath expression's value."""
    import jmespath  # few playbooks have it

    try:
        return jmespath.search(expression, _plain(value))
    except jmespath.exceptions.JMESPathError as error:
        raise FilterArgumentError(f"json_query: '{expression}': {error}") from None


def _plain(value: Any) -> Any:
    """A value of Python's own types, since jmespath's functions look at their names."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _dict(pairs: Iterable[Any]) -> dict[Any, Any]:
    try:
        return dict(pairs)
    except (TypeError, ValueError) as error:
        raise FilterArgumentError(f"dict takes a list of pairs: {error}") from None


def _counter(value: Any) -> dict[Any, int]:
    try:
        return dict(Counter(value))
    except TypeError as error:
        raise FilterArgumentError(f"counter takes a list of texts or numbers: {error}") from None


def _groupby_as_dict(value: Iterable[Any], attribute: str) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for item in value:
        if not isinstance(item, Mapping) or attribute not in item:
            raise FilterArgumentError(f"groupby_as_dict: an item has no '{attribute}'")
        if item[attribute] in found:
            raise FilterArgumentError(f"groupby_as_dict: '{item[attribute]}' appears twice")
        found[item[attribute]] = item
    return found


_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "equal": lambda key, target: key == target,
    "starts_with": lambda key, target: key.startswith(target),
    "ends_with": lambda key, target: key.endswith(target),
    "regex": lambda key, target: re.match(target, key) is not None,
}


def _matches(key: Any, target: Any, matching_parameter: str) -> bool:
    if matching_parameter not in _MATCHES:
        raise FilterArgumentError(f"matching_parameter must be one of {', '.join(_MATCHES)}")
    targets = [target] if isinstance(target, str) else target
    return any(_MATCHES[matching_parameter](str(key), str(one)) for one in targets)


def _keep_keys(value: Iterable[Any], target: Any, matching_parameter: str = "equal") -> list[Any]:
    return [{key: item[key] for key in item if _matches(key, target, matching_parameter)} for item in value]


def _remove_keys(value: Iterable[Any], target: Any, matching_parameter: str = "equal") -> list[Any]:
    return [{key: item[key] for key in item if not _matches(key, target, matching_parameter)} for item in value]


def _replace_keys(value: Iterable[Any], target: Iterable[Any], matching_parameter: str = "equal") -> list[Any]:
    changes = list(target)

    def renamed(key: Any) -> Any:
        for change in changes:
            if _matches(key, change["before"], matching_parameter):
                return change["after"]
        return key

    return [{renamed(key): one for key, one in item.items()} for item in value]


def _lists_mergeby(*lists: Any, recursive: bool = False, list_merge: str = "replace") -> list[Any]:
    *merged, index = lists
    if merged and all(one and isinstance(one[0], list) for one in merged):
        merged = [inner for one in merged for inner in one]
    found: dict[Any, Any] = {}
    for item in (item for one in merged for item in one):
        if not isinstance(item, Mapping):
            raise FilterArgumentError(f"lists_mergeby takes lists of mappings, one has a {type(item).__name__}")
        if index in item:
            known = found.get(item[index], {})
            found[item[index]] = LISTS["combine"](known, item, recursive=recursive, list_merge=list_merge)
    return [found[key] for key in sorted(found)]


def _of_lists(name: str) -> Callable[..., list[Any]]:
    """A filter of two lists, made one of any number of them."""
    two = LISTS[name]

    def of_many(*lists: Any, flatten: bool = False) -> list[Any]:
        given = [part for one in lists for part in (one if flatten else [one])]
        if not all(isinstance(one, (list, tuple)) for one in given):
            raise FilterArgumentError(f"lists_{name} takes lists")
        return list(reduce(two, given[1:], distinct(given[0]))) if given else []

    return of_many


def _version_sort(value: Iterable[Any], reverse: bool = False) -> list[Any]:
    """As versions compare: numbers as numbers, words as words, numbers after words."""

    def key(version: Any) -> list[tuple[int, int, str]]:
        parts = [part for part in re.split(r"(\d+|[a-z]+|\.)", str(version)) if part not in ("", ".")]
        return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]

    return sorted(value, key=key, reverse=reverse)


_SECONDS = {"milliseconds": 0.001, "seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}
_UNITS = {
    **dict.fromkeys(("ms", "msec", "msecs", "msecond", "mseconds", "millisecond", "milliseconds"), "milliseconds"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "seconds"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "minutes"),
    **dict.fromkeys(("h", "hour", "hours"), "hours"),
    **dict.fromkeys(("d", "day", "days"), "days"),
    **dict.fromkeys(("w", "week", "weeks"), "weeks"),
    **dict.fromkeys(("mo", "month", "months"), "months"),
    **dict.fromkeys(("y", "year", "years"), "years"),
}


def _time_unit(human: Any, unit: str = "ms", *, year: float = 365, month: float = 30) -> float:
    """`30h 20m` in a unit; `year` and `month` are the days that they have."""
    seconds = {**_SECONDS, "months": month * 86400, "years": year * 86400}
    if unit not in _UNITS:
        raise FilterArgumentError(f"to_time_unit: there is no unit '{unit}'")
    total = 0.0
    for word in str(human).split() if str(human) != "0" else ():
        match = re.fullmatch(r"(-?\d+)([a-z]+)", word)
        if match is None or match[2] not in _UNITS:
            raise FilterArgumentError(f"'{word}' is no time: write it as 30h, 20m or 5s")
        total += int(match[1]) * seconds[_UNITS[match[2]]]
    return round(total / seconds[_UNITS[unit]], 12)


def _to_unit(unit: str) -> Callable[..., float]:
    return lambda human, **lengths: _time_unit(human, unit, **lengths)


def _unicode_normalize(text: str, form: Any = "NFC") -> str:
    if form not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise FilterArgumentError(f"unicode_normalize: there is no form {form!r}")
    return unicodedata.normalize(form, text)


_OWN: dict[str, Callable[..., Any]] = {
    "counter": _counter,
    "dict": _dict,
    "dict_kv": lambda value, key: {key: value},
    "groupby_as_dict": _groupby_as_dict,
    "json_query": _json_query,
    "keep_keys": _keep_keys,
    "lists_difference": _of_lists("difference"),
    "lists_intersect": _of_lists("intersect"),
    "lists_mergeby": _lists_mergeby,
    "lists_symmetric_difference": _of_lists("symmetric_difference"),
    "lists_union": _of_lists("union"),
    "remove_keys": _remove_keys,
    "replace_keys": _replace_keys,
    "to_time_unit": _time_unit,
    **{f"to_{unit}": _to_unit(unit) for unit in (*_SECONDS, "months", "years")},
    "unicode_normalize": _unicode_normalize,
    "version_sort": _version_sort,
}

FILTERS: dict[str, Callable[..., Any]] = {
    **{f"community.general.{name}": filter_ for name, filter_ in _OWN.items()},
    "json_query": _json_query,
}
