"""Merges what is applied into what is there, and takes out what nobody manages any more."""

from __future__ import annotations

from typing import Any

from kprov.kube.apiserver.fieldmanager.comparing import parts
from kprov.kube.apiserver.fieldmanager.field_set import FieldSet
from kprov.kube.apiserver.fieldmanager.shapes import Form, Shape


def merge(live: Any, applied: Any, shape: Shape) -> Any:
    """What is there with all that is applied, which wins. Neither argument is changed; parts are shared."""
    left, right = parts(live, shape), parts(applied, shape)
    if left is None or right is None:
        return applied
    if isinstance(applied, dict):
        out = dict(live)
        for name, value in applied.items():
            out[name] = merge(live[name], value, shape.child(name)) if name in live else value
        return out
    merged = {
        element: merge(left[element][0], value, inner) if element in left and shape.form is Form.KEYED else value
        for element, (value, inner) in right.items()
    }
    return [merged[element] if element in merged else left[element][0] for element in _order(list(left), list(right))]


def _order(left: list[str], right: list[str]) -> list[str]:
    """The order of a merged list: the applied order among its own elements, the others where they stood between."""
    applied, present = set(right), set(left)
    shared = [element for element in right if element in present]
    out: list[str] = []
    i = j = following = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                out.append(left[i])
                i, j, following = i + 1, j + 1, following + 1
                continue
            if left[i] in applied and left[i] != shared[min(following, len(shared) - 1)]:
                i += 1  # its turn comes in the applied order
                continue
        if i < len(left) and left[i] not in applied:
            out.append(left[i])
            i += 1
        elif j < len(right):
            out.append(right[j])
            following += right[j] in present
            j += 1
        else:
            i += 1
    return list(dict.fromkeys(out))


def remove(value: Any, fields: FieldSet, shape: Shape) -> Any:
    """A value without some fields. The argument is not changed."""
    found = parts(value, shape)
    if found is None or not fields:
        return value
    kept = {}
    for element, (each, inner) in found.items():
        if element in fields.members:
            continue
        below = fields.children.get(element)
        kept[element] = remove(each, below, inner) if below else each
    if isinstance(value, dict):
        return {element[2:]: each for element, each in kept.items()}
    return list(kept.values())
