"""Lists that merge: what tells their items apart, and the order in which they stand afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any

import orjson


def identity_of(item: Any, merge_key: str | None) -> Hashable:
    """What tells an item from others: the value of its merge key, or the item itself where there is no key.

    Items are looked up by it, so that a patch of many items takes no longer than it is long.
    """
    value = item.get(merge_key) if merge_key is not None and isinstance(item, dict) else item
    if isinstance(value, (dict, list)):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return (value, isinstance(value, bool))


def ordered(merged: list[Any], wanted: list[Any], before: list[Any], merge_key: str | None) -> list[Any]:
    """A merged list in upstream's order: the items that a patch names stand in its order, the others in theirs.

    An item that the patch does not name stands before the first one that it does name and that followed it before; what
    is new comes first.

    Args:
        merged: the items.
        wanted: items in the order of the patch.
        before: the list before the patch.
        merge_key: what tells items apart; None for the items themselves.
    """
    places, former = _places(wanted, merge_key), _places(before, merge_key)
    told = [(identity_of(item, merge_key), item) for item in merged]
    named = deque(sorted((each for each in told if each[0] in places), key=lambda each: places[each[0]]))
    others = [each for each in told if each[0] not in places]
    rest = deque(sorted(others, key=lambda each: former.get(each[0], len(former))))
    result: list[Any] = []
    while named and rest:
        left, right = former.get(rest[0][0]), former.get(named[0][0])
        goes_first = left is not None and right is not None and left < right
        result.append((rest if goes_first else named).popleft()[1])
    return result + [item for _, item in (*named, *rest)]


def _places(items: list[Any], merge_key: str | None) -> dict[Hashable, int]:
    """Where each item stands first."""
    places: dict[Hashable, int] = {}
    for place, item in enumerate(items):
        places.setdefault(identity_of(item, merge_key), place)
    return places
