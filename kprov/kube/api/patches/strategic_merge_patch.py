"""Strategic merge patch: a merge patch that knows which lists are maps in disguise.

Directives, as upstream's strategicpatch has them: ``$patch: replace|delete`` in a map or list element, ``$retainKeys``,
``$setElementOrder/FIELD`` and ``$deleteFromPrimitiveList/FIELD``. What a patch puts where nothing was is taken as it
is, without its directives.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from kprov.kube.api.patches.error import PatchError
from kprov.kube.api.patches.list_order import identity_of, ordered
from kprov.kube.api.patches.merge_keys import Shape, shape_of_kind

_DIRECTIVE, _RETAIN = "$patch", "$retainKeys"
_ORDER, _DELETE = "$setElementOrder", "$deleteFromPrimitiveList"
_WRONG_RETAIN = "invalid patch format of retainKeys"
_WRONG_ORDER = "invalid patch format of setElementOrder list"
_WRONG_DELETE = "invalid patch format of primitive list"


def apply_strategic_merge_patch(obj: dict[str, Any], patch: Any, kind: str) -> dict[str, Any]:
    """A patched copy.

    Args:
        obj: the object.
        patch: the patch.
        kind: "group/version/Kind" of the object, which says how its lists merge.

    Raises:
        PatchError: the patch is malformed.
    """
    if not isinstance(patch, dict):
        raise PatchError("a strategic merge patch is an object")
    return _merge_map(obj, patch, shape_of_kind(kind))


def _merge_map(original: dict[str, Any], patch: dict[str, Any], shape: Shape) -> dict[str, Any]:
    if _DIRECTIVE in patch:
        directive = patch[_DIRECTIVE]
        if directive == "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        if directive == "delete":
            return {}
        raise PatchError(f"unknown patch type: {directive} in map: {_told(patch)}")
    merged, patch = dict(original), dict(patch)
    if _RETAIN in patch:
        merged = _retained(merged, patch, patch.pop(_RETAIN))
    for key in [key for key in patch if key.startswith(_ORDER)]:
        _put_in_order(merged, patch, _field_of(key, _WRONG_ORDER), patch.pop(key), shape)
    for key in [key for key in patch if key.startswith(_DELETE)]:
        field, deleted = _field_of(key, _WRONG_DELETE), patch.pop(key)
        if not isinstance(deleted, list):
            raise PatchError(_WRONG_DELETE)
        if isinstance(present := merged.get(field), list):
            gone = {identity_of(item, None) for item in deleted}
            merged[field] = [item for item in present if identity_of(item, None) not in gone]
    for key, value in patch.items():
        present = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(present, dict):
            merged[key] = _merge_map(present, value, shape.child(key))
        elif isinstance(value, list) and isinstance(present, list):
            merged[key] = _merge_list(present, value, key, shape) if shape.merges(key) else value
        elif _is_directive(value):
            merged.pop(key, None)
        else:
            merged[key] = _plain(value)
    return merged


def _field_of(key: str, problem: str) -> str:
    """The field that a directive is about: what follows the slash. Raises PatchError where nothing does."""
    directive, slash, field = key.partition("/")
    if not slash or directive not in (_ORDER, _DELETE):
        raise PatchError(problem)
    return field


def _retained(merged: dict[str, Any], patch: dict[str, Any], kept: Any) -> dict[str, Any]:
    """A map without what a patch does not want to be retained. Raises PatchError where the patch sets such a thing."""
    if not isinstance(kept, list):
        raise PatchError(_WRONG_RETAIN)
    for key, value in patch.items():
        if value is not None and key not in kept and not key.startswith((_ORDER, _DELETE)):
            raise PatchError(_WRONG_RETAIN)
    return {key: value for key, value in merged.items() if key in kept}


def _put_in_order(merged: dict[str, Any], patch: dict[str, Any], field: str, wanted: Any, shape: Shape) -> None:
    """Merge a list of which the patch says the order; it is taken out of the patch."""
    present, change = merged.get(field, []), patch.get(field, [])
    if not all(isinstance(each, list) for each in (wanted, present, change)):
        raise PatchError(_WRONG_ORDER)
    merge_key = shape.merge_key(field)
    _check_order(change, wanted, merge_key)
    if field not in merged and field not in patch:
        return
    if field not in patch:
        result = present
    elif field not in merged:
        result = _plain(change)
    else:
        result = _merge_list(present, change, field, shape) if shape.merges(field) else change
    merged[field] = ordered(result, wanted, present, merge_key)
    patch.pop(field, None)


def _check_order(change: list[Any], wanted: list[Any], merge_key: str | None) -> None:
    """See that a patch has its items in the order that it says. Raises PatchError."""
    if not change or not wanted:
        return
    items = [item for item in change if not _is_directive(item)]
    place = 0
    for each in wanted:
        if place < len(items) and _identity(items[place], merge_key) == _identity(each, merge_key):
            place += 1
    if place < len(items):
        raise PatchError(f"the order in patch list:\n{_told(change)}\n doesn't match {_ORDER} list:\n{_told(wanted)}")


def _identity(item: Any, merge_key: str | None) -> Hashable:
    """What tells a list's items apart. Raises PatchError for one that does not say it."""
    if merge_key is not None and not isinstance(item, dict):
        raise PatchError(f"a list that merges by {merge_key!r} holds objects, not {_told(item)}")
    if merge_key is not None and merge_key not in item:
        raise PatchError(f"map: {_told(item)} does not contain declared merge key: {merge_key}")
    return identity_of(item, merge_key)


def _merge_list(original: list[Any], patch: list[Any], field: str, shape: Shape) -> list[Any]:
    """A list with a patch merged into it."""
    if not original and not patch:
        return original
    _check_elements([*original, *patch])
    merge_key = shape.merge_key(field)
    if not isinstance((original or patch)[0], dict):
        once = {identity_of(item, None): item for item in (*original, *patch)}
        return ordered(list(once.values()), patch, original, None)
    if merge_key is None:
        raise PatchError(f"cannot merge lists without merge key for {field}")
    original, patch = _with_special_elements(original, patch, merge_key)
    merged = list(original)
    places: dict[Hashable, int] = {}
    for place, item in enumerate(merged):
        places.setdefault(_identity(item, merge_key), place)
    for item in patch:
        identity = _identity(item, merge_key)
        if identity in places:
            merged[places[identity]] = _merge_map(merged[places[identity]], item, shape.child(field))
        else:
            places[identity] = len(merged)
            merged.append(_plain(item))
    return ordered(merged, patch, original, merge_key)


def _check_elements(items: list[Any]) -> None:
    """See that a list holds objects, or plain values of one type. Raises PatchError."""
    if any(isinstance(item, list) for item in items):
        raise PatchError("lists of lists are not supported", unprocessable=True)
    kinds = {float if isinstance(item, int) and not isinstance(item, bool) else type(item) for item in items}
    if len(kinds) > 1:
        raise PatchError(f"list element types are not identical: {_told(items)}")


def _with_special_elements(original: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """A list after a patch's elements that say what becomes of it, and the patch's other elements.

    Where one of them replaces the list, the others are all that it holds, and nothing is left to be merged.
    """
    others: list[Any] = []
    deleted: set[Hashable] = set()
    replaces = False
    for item in patch:
        if _DIRECTIVE not in item:
            others.append(item)
            continue
        match item[_DIRECTIVE]:
            case "delete":
                deleted.add(_identity(item, merge_key))
            case "replace":
                replaces = True
            case "merge":
                raise PatchError("merging lists cannot yet be specified in the patch")
            case unknown:
                raise PatchError(f"unknown patch type: {unknown} in map: {_told(item)}")
    if replaces:
        return _plain(others), []
    return [known for known in original if identity_of(known, merge_key) not in deleted], others


def _is_directive(value: Any) -> bool:
    """Whether a value of a patch only says what becomes of another."""
    return isinstance(value, dict) and _DIRECTIVE in value


def _plain(value: Any) -> Any:
    """A value of a patch, put where nothing was: without nulls and directives."""
    if isinstance(value, dict):
        return {
            key: _plain(each)
            for key, each in value.items()
            if each is not None and not _is_directive(each) and key != _RETAIN and not key.startswith((_ORDER, _DELETE))
        }
    if isinstance(value, list):
        return [_plain(each) for each in value if not _is_directive(each)]
    return value


def _told(value: Any) -> str:
    """A value in an error, as upstream writes it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_told(each)}' for key, each in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_told, value))}]"
    return "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
