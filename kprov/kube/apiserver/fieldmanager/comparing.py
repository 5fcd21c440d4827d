"""Which fields a value has, and in which fields two differ."""

from __future__ import annotations

from typing import Any, NamedTuple

from kprov.kube.apiserver.fieldmanager.field_set import FieldSet, of_item, of_value
from kprov.kube.apiserver.fieldmanager.shapes import LEAF, Form, Shape

Parts = dict[str, tuple[Any, Shape]]

# Fields that upstream's types hold by value: they are there, empty, in every object, so nobody is said to have made
# them. Others are pointers, maps and lists, whose coming into being has a manager.
_ALWAYS_THERE = frozenset(
    {
        "f:containers",
        "f:jobTemplate",
        "f:metadata",
        "f:spec",
        "f:status",
        "f:strategy",
        "f:template",
        "f:updateStrategy",
    }
)


_MAPS = frozenset((Form.STRUCT, Form.MAP, Form.FREE))


class Difference(NamedTuple):
    """What differs: fields that were added or changed, and fields that went (with all below them)."""

    changed: FieldSet
    removed: FieldSet


def parts(value: Any, shape: Shape) -> Parts | None:
    """A value's parts by their elements; None where it is owned as a whole.

    So is a list whose elements can't be told apart: two alike in a set, or of the same key.
    """
    form = shape.form
    if form is Form.LEAF:
        return None
    if form in _MAPS:
        if not isinstance(value, dict):
            return None
        return {f"f:{name}": (each, shape.child(name)) for name, each in value.items()}
    if not isinstance(value, list):
        return None
    found: Parts = {}
    for each in value:
        element = of_value(each) if form is Form.SET else of_item(each, shape.keys, shape.key_defaults)
        if element is None or element in found:
            return None
        found[element] = (each, LEAF if form is Form.SET else shape.child(""))
    return found


def fields_in(value: Any, shape: Shape) -> FieldSet:
    """Every field that a value sets: what an apply of it owns."""
    out = FieldSet()
    _collect(parts(value, shape) or {}, shape, out)
    return out


def _collect(found: Parts, shape: Shape, out: FieldSet) -> None:
    for element, (value, inner) in found.items():
        below = parts(value, inner)
        if not below:
            out.members.add(element)
            continue
        if not element.startswith("f:") or not shape.has_field(element[2:]):
            out.members.add(element)
        _collect(below, inner, out.below(element))


def difference(old: Any, new: Any, shape: Shape) -> Difference:
    """In which fields two objects of one kind differ."""
    found = Difference(FieldSet(), FieldSet())
    if isinstance(old, dict) and isinstance(new, dict) and shape.form in _MAPS:
        _compare_maps(old, new, shape, *found)
    else:
        _compare(parts(old, shape) or {}, parts(new, shape) or {}, *found)
    return found


def _compare_maps(old: dict[str, Any], new: dict[str, Any], shape: Shape, changed: FieldSet, removed: FieldSet) -> None:
    """As ``_compare``, without taking apart what is the same: most of an object, most of the time."""
    for name, value in new.items():
        if name not in old:
            _add(f"f:{name}", value, shape.child(name), changed)
        elif old[name] is not value and old[name] != value:
            _compare_values(f"f:{name}", old[name], value, shape.child(name), changed, removed)
    for name in old:
        if name not in new:
            removed.members.add(f"f:{name}")


def _compare(old: Parts, new: Parts, changed: FieldSet, removed: FieldSet) -> None:
    for element, (value, shape) in new.items():
        if element not in old:
            _add(element, value, shape, changed)
            continue
        before = old[element][0]
        if before is not value and before != value:
            _compare_values(element, before, value, shape, changed, removed)
    for element in old:
        if element not in new:
            removed.members.add(element)


def _compare_values(element: str, before: Any, value: Any, shape: Shape, changed: FieldSet, removed: FieldSet) -> None:
    below, gone = FieldSet(), FieldSet()
    if isinstance(before, dict) and isinstance(value, dict) and shape.form in _MAPS:
        _compare_maps(before, value, shape, below, gone)
    else:
        left, right = parts(before, shape), parts(value, shape)
        if left is None or right is None:
            changed.members.add(element)
            return
        _compare(left, right, below, gone)
    if below:
        changed.children[element] = below
    if gone:
        removed.children[element] = gone


def _add(element: str, value: Any, shape: Shape, out: FieldSet) -> None:
    below = parts(value, shape)
    if not below:
        out.members.add(element)
        return
    if element not in _ALWAYS_THERE:
        out.members.add(element)
    inside = out.below(element)
    for each, (inner, its_shape) in below.items():
        _add(each, inner, its_shape, inside)


def added_on_wire(value: dict[str, Any], shape: Shape, besides: FieldSet) -> dict[str, Any]:
    """FieldsV1 of all that is added with a value, besides some fields: what ``difference`` finds where nothing was.

    A creation has nothing to compare and nobody to take from, so no set is made on the way.
    """
    return _added_map(value, shape, besides)


def _added_map(value: dict[str, Any], shape: Shape, besides: FieldSet | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in sorted(value):
        element = f"f:{name}"
        below = besides.children.get(element) if besides is not None else None
        if (wire := _added(element, value[name], shape.child(name), below)) is None:
            continue
        if besides is not None and element in besides.members:
            wire.pop(".", None)
            if not wire:
                continue
        out[element] = wire
    return out


def _added(element: str, value: Any, shape: Shape, besides: FieldSet | None) -> dict[str, Any] | None:
    """The wire form of what is below an element; None where nothing is left of it."""
    if isinstance(value, dict) and shape.form in _MAPS:
        if not value:
            return {}
        inner = _added_map(value, shape, besides)
    else:
        found = parts(value, shape)
        if not found:
            return {}
        inner = {}
        for each in sorted(found):
            wire = _added(each, *found[each], None)
            if wire is not None:
                inner[each] = wire
    if element in _ALWAYS_THERE:
        return inner or None
    return {".": {}, **inner}
