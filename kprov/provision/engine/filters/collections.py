"""Lists and mappings."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, Undefined, pass_environment
from jinja2.exceptions import FilterArgumentError, UndefinedError
from jinja2.filters import do_unique

_LIST_MERGES: dict[str, Callable[[list[Any], list[Any]], list[Any]]] = {
    "replace": lambda old, new: new,
    "keep": lambda old, new: old,
    "append": lambda old, new: old + new,
    "prepend": lambda old, new: new + old,
    "append_rp": lambda old, new: [item for item in old if item not in new] + new,
    "prepend_rp": lambda old, new: new + [item for item in old if item not in new],
}


def _combine(*mappings: Any, recursive: bool = False, list_merge: str = "replace") -> dict[Any, Any]:
    if list_merge not in _LIST_MERGES:
        raise FilterArgumentError(f"combine: list_merge must be one of {', '.join(_LIST_MERGES)}")
    result: dict[Any, Any] = {}
    for mapping in _flatten(mappings):
        if not isinstance(mapping, Mapping):
            raise FilterArgumentError(f"combine takes mappings, not {type(mapping).__name__}")
        result = _merged(result, mapping, recursive, list_merge)
    return result


def _merged(old: Mapping[Any, Any], new: Mapping[Any, Any], recursive: bool, list_merge: str) -> dict[Any, Any]:
    result = dict(old)
    for key, value in new.items():
        known = result.get(key)
        if recursive and isinstance(value, Mapping) and isinstance(known, Mapping):
            result[key] = _merged(known, value, True, list_merge)
        elif isinstance(value, list) and isinstance(known, list):
            result[key] = _LIST_MERGES[list_merge](known, value)
        else:
            result[key] = value
    return result


def _flatten(value: Iterable[Any], levels: int | None = None, skip_nulls: bool = True) -> list[Any]:
    result: list[Any] = []
    for item in value:
        if skip_nulls and (item is None or (isinstance(item, str) and item in ("None", "null"))):
            continue
        if isinstance(item, (list, tuple)) and (levels is None or levels >= 1):
            result += _flatten(item, None if levels is None else levels - 1, skip_nulls)
        else:
            result.append(item)
    return result


@pass_environment
def _unique(
    environment: Environment, value: Iterable[Any], case_sensitive: bool | None = None, attribute: Any = None
) -> list[Any]:
    items = list(value)
    try:
        return list(do_unique(environment, items, case_sensitive=bool(case_sensitive), attribute=attribute))
    except TypeError:
        if attribute is not None or case_sensitive is False:
            raise
    return distinct(items)


def distinct(items: Iterable[Any]) -> list[Any]:
    result: list[Any] = []
    for item in items:
        if item not in result:
            result.append(item)
    return result


def _dict2items(value: Any, key_name: str = "key", value_name: str = "value") -> list[dict[str, Any]]:
    if not isinstance(value, Mapping):
        raise FilterArgumentError(f"dict2items takes a mapping, not {type(value).__name__}")
    return [{key_name: key, value_name: item} for key, item in value.items()]


def _items2dict(value: Any, key_name: str = "key", value_name: str = "value") -> dict[Any, Any]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise FilterArgumentError(f"items2dict takes a list of mappings, not {type(value).__name__}")
    return {item[key_name]: item[value_name] for item in value}


@pass_environment
def _extract(environment: Environment, key: Any, container: Any, morekeys: Any = None) -> Any:
    keys = [key, *(morekeys if isinstance(morekeys, list) else [] if morekeys is None else [morekeys])]
    value = container
    for one in keys:
        value = environment.getitem(value, one)
    return value


def _subelements(value: Any, path: Any, skip_missing: bool = False) -> list[tuple[Any, Any]]:
    keys = path if isinstance(path, list) else str(path).split(".")
    found: list[tuple[Any, Any]] = []
    for element in value.values() if isinstance(value, Mapping) else value:
        values: Any = element
        for key in keys:
            if not isinstance(values, Mapping) or key not in values:
                values = None
                break
            values = values[key]
        if values is None:
            if skip_missing:
                continue
            raise FilterArgumentError(f"subelements: an item has no '{path}'")
        if not isinstance(values, list):
            raise FilterArgumentError(f"subelements: '{path}' must be a list, not {type(values).__name__}")
        found += [(element, item) for item in values]
    return found


def _rekey_on_member(value: Any, key: str, duplicates: str = "error") -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for item in value.values() if isinstance(value, Mapping) else value:
        if not isinstance(item, Mapping) or key not in item:
            raise FilterArgumentError(f"rekey_on_member: an item has no '{key}'")
        if item[key] in result and duplicates == "error":
            raise FilterArgumentError(f"rekey_on_member: '{item[key]}' appears twice")
        result[item[key]] = item
    return result


def _random(end: Any, start: int = 0, step: int = 1, seed: Any = None) -> Any:
    source = random.Random(seed) if seed is not None else random.SystemRandom()
    return source.randrange(start, end, step) if isinstance(end, int) else source.choice(list(end))


def _shuffle(value: Sequence[Any], seed: Any = None) -> list[Any]:
    items = list(value)
    (random.Random(seed) if seed is not None else random.SystemRandom()).shuffle(items)
    return items


def _mandatory(value: Any, msg: str | None = None) -> Any:
    if isinstance(value, Undefined):
        name = f"'{value._undefined_name}' " if value._undefined_name else ""
        raise UndefinedError(str(msg) if msg is not None else f"Mandatory variable {name}not defined.")
    return value


def to_bool(value: Any) -> Any:
    """Ansible's truth of words."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.strip().lower() in {"yes", "on", "true", "1", "y", "t"}
    return bool(value == 1)


def _ternary(value: Any, true_val: Any, false_val: Any = None, none_val: Any = None) -> Any:
    if value is None and none_val is not None:
        return none_val
    return true_val if bool(value) else false_val


FILTERS: dict[str, Callable[..., Any]] = {
    "bool": to_bool,
    "combinations": lambda value, size: [list(items) for items in itertools.combinations(value, size)],
    "combine": _combine,
    "dict2items": _dict2items,
    "difference": lambda left, right: [item for item in distinct(left) if item not in right],
    "extract": _extract,
    "flatten": _flatten,
    "intersect": lambda left, right: [item for item in distinct(left) if item in right],
    "items2dict": _items2dict,
    "mandatory": _mandatory,
    "permutations": lambda value, size=None: [list(items) for items in itertools.permutations(value, size)],
    "product": lambda *lists: [list(items) for items in itertools.product(*lists)],
    "random": _random,
    "rekey_on_member": _rekey_on_member,
    "shuffle": _shuffle,
    "subelements": _subelements,
    "symmetric_difference": lambda left, right: [i for i in distinct([*left, *right]) if (i in left) != (i in right)],
    "ternary": _ternary,
    "union": lambda left, right: distinct([*left, *right]),
    "unique": _unique,
    "zip": lambda *lists, strict=False: [list(items) for items in zip(*lists, strict=strict)],
    "zip_longest": lambda *lists, fillvalue=None: [
        list(items) for items in itertools.zip_longest(*lists, fillvalue=fillvalue)
    ],
}
