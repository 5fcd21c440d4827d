"""Strategic merge patch: a merge patch that knows which lists are maps in disguise.

Directives, as upstream's strategicpatch has them: ``$patch: replace|delete|merge`` in a map or list element,
``$retainKeys``, ``$setElementOrder/FIELD`` and ``$deleteFromPrimitiveList/FIELD``.
"""

from __future__ import annotations

from typing import Any

from kprov.kube.api.patches.error import PatchError
from kprov.kube.api.patches.merge_keys import Shape, shape_of_kind

_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"


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
    merged: dict[str, Any] = _merge_map(obj, patch, shape_of_kind(kind))
    return merged


def _merge_map(original: Any, patch: dict[str, Any], shape: Shape) -> Any:
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise PatchError(f"unknown patch type found: {directive}")
    merged = dict(original) if isinstance(original, dict) else {}
    if "$retainKeys" in patch:
        retained = _list_of(patch, "$retainKeys")
        missing = [key for key in patch if not key.startswith("$") and key not in retained]
        if missing:
            raise PatchError("the keys in $retainKeys list does not contain " + ", ".join(missing))
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        if key.startswith("$"):
            field = key.partition("/")[2]
            if key.startswith((_ORDER, _DELETE)) and field not in patch and isinstance(merged.get(field), list):
                merged[field] = _merge_list(merged[field], [], patch, field, shape)
            continue
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            if value.get("$patch") == "delete":
                merged.pop(key, None)
            else:
                merged[key] = _merge_map(merged.get(key), value, shape.child(key))
        elif isinstance(value, list) and shape.merges(key):
            merged[key] = _merge_list(merged.get(key), value, patch, key, shape)
        else:
            merged[key] = value
    return merged


def _list_of(patch: dict[str, Any], directive: str) -> list[Any]:
    """A directive's list; an empty one where there is none. Raises PatchError for anything else."""
    found = patch.get(directive)
    if found is not None and not isinstance(found, list):
        raise PatchError(f"{directive} is a list, not {found!r}")
    return found or []


def _merge_list(original: Any, patch: list[Any], parent: dict[str, Any], field: str, shape: Shape) -> list[Any]:
    present = list(original) if isinstance(original, list) else []
    merge_key = shape.merge_key(field)
    if merge_key is None:
        merged = _merge_primitives(present, patch, _list_of(parent, _DELETE + field))
    else:
        elements = _merge_elements(present, patch, merge_key, shape.child(field))
        if elements is None:
            return [item for item in patch if not isinstance(item, dict) or item.get("$patch") != "replace"]
        merged = elements
    if parent.get(_ORDER + field) is None:
        return merged
    wanted = _list_of(parent, _ORDER + field)

    def identity(item: Any) -> Any:
        return item.get(merge_key) if merge_key is not None and isinstance(item, dict) else item

    return _ordered(merged, [identity(item) for item in wanted], [identity(item) for item in present], identity)


def _merge_primitives(present: list[Any], patch: list[Any], deleted: list[Any]) -> list[Any]:
    merged = [item for item in present if item not in deleted]
    for item in patch:
        if item not in merged:
            merged.append(item)
    return merged


def _merge_elements(present: list[Any], patch: list[Any], merge_key: str, shape: Shape) -> list[Any] | None:
    """The merged list; None where the patch replaces it."""
    if any(isinstance(item, dict) and item.get("$patch") == "replace" and len(item) == 1 for item in patch):
        return None
    merged = list(present)
    for item in patch:
        if not isinstance(item, dict):
            raise PatchError(f"a list that merges by {merge_key!r} holds objects, not {item!r}")
        if merge_key not in item:
            raise PatchError(f"map: {item} does not contain declared merge key: {merge_key}")
        places = [
            place
            for place, known in enumerate(merged)
            if isinstance(known, dict) and known.get(merge_key) == item[merge_key]
        ]
        if item.get("$patch") == "delete":
            merged = [known for place, known in enumerate(merged) if place not in places]
        elif places:
            merged[places[0]] = _merge_map(merged[places[0]], item, shape)
        else:
            merged.append(_merge_map({}, item, shape))
    return merged


def _ordered(merged: list[Any], wanted: list[Any], before: list[Any], identity: Any) -> list[Any]:
    """The list in the order that the client has seen; items that it does not know keep their place among the others."""
    known = [item for item in merged if identity(item) in wanted]
    known.sort(key=lambda item: wanted.index(identity(item)))
    others = [item for item in merged if identity(item) not in wanted]
    result: list[Any] = []
    while known and others:
        left, right = identity(others[0]), identity(known[0])
        both = left in before and right in before
        result.append(others.pop(0) if both and before.index(left) < before.index(right) else known.pop(0))
    return result + known + others
