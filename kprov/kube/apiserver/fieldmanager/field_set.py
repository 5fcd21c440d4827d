"""Sets of fields, and their form on the wire (FieldsV1).

A field is a path of elements; an element is written as on the wire: "f:NAME" for a field or a map's key, "k:{...}" for
an element of a keyed list, "v:VALUE" for one of a set. A set may hold a field without what is below it, or the reverse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from kprov.kube.apiserver.fieldmanager.shapes import KEY_DEFAULTS, Shape

_ELEMENT = re.compile(r"[fkvi]:")


class FieldSet:
    """A set of fields: its ``members`` at this level, and the sets below, by element.

    Arithmetic shares what it can: a result may be one of its operands, or hold parts of them. So a set is only added to
    by who makes it, before it is used.
    """

    __slots__ = ("children", "members")

    def __init__(self) -> None:
        self.members: set[str] = set()
        self.children: dict[str, FieldSet] = {}

    def below(self, element: str) -> FieldSet:
        """The set below an element, made if it is not there; the caller puts something into it."""
        found = self.children.get(element)
        if found is None:
            found = self.children[element] = FieldSet()
        return found

    def __bool__(self) -> bool:
        return bool(self.members) or any(self.children.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FieldSet):
            return NotImplemented
        if self is other:
            return True
        return self.members == other.members and _kept(self.children) == _kept(other.children)

    __hash__ = None  # type: ignore[assignment]

    def __or__(self, other: FieldSet) -> FieldSet:
        children = self.children
        for element, theirs in other.children.items():
            mine = self.children.get(element)
            both = theirs if mine is None else mine | theirs
            if both is not mine:
                if children is self.children:
                    children = dict(children)
                children[element] = both
        if children is self.children and other.members <= self.members:
            return self
        return _made(self.members | other.members, children)

    def __and__(self, other: FieldSet) -> FieldSet:
        out = FieldSet()
        out.members = self.members & other.members
        for element, mine in self.children.items():
            if element in other.children and (both := mine & other.children[element]):
                out.children[element] = both
        return out

    def __sub__(self, other: FieldSet) -> FieldSet:
        children = self.children
        for element, theirs in other.children.items():
            mine = self.children.get(element)
            if mine is not None and (rest := mine - theirs) is not mine:
                children = _replaced(self.children, children, element, rest)
        if children is self.children and self.members.isdisjoint(other.members):
            return self
        return _made(self.members - other.members, children)

    def without(self, other: FieldSet) -> FieldSet:
        """This set without the other's fields and all that is below them."""
        children = self.children
        for element in other.members & self.children.keys():
            children = _replaced(self.children, children, element, None)
        for element, theirs in other.children.items():
            mine = children.get(element)
            if mine is not None and (rest := mine.without(theirs)) is not mine:
                children = _replaced(self.children, children, element, rest)
        if children is self.children and self.members.isdisjoint(other.members):
            return self
        return _made(self.members - other.members, children)

    def with_parents(self, shape: Shape) -> FieldSet:
        """This set, and each field of a struct that something below it is in the set."""
        out = FieldSet()
        out.members = set(self.members)
        for element, mine in self.children.items():
            name = element[2:]
            if element.startswith("f:"):
                if shape.has_field(name):
                    out.members.add(element)
                out.children[element] = mine.with_parents(shape.child(name))
            else:
                out.children[element] = mine.with_parents(shape.child(""))
        return out

    def paths(self, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """Every field of the set, in order."""
        for element in sorted(self.members | set(self.children)):
            if element in self.members:
                yield (*above, element)
            if element in self.children:
                yield from self.children[element].paths((*above, element))

    def to_wire(self) -> dict[str, Any]:
        """FieldsV1."""
        out: dict[str, Any] = {}
        for element in sorted(self.members | set(self.children)):
            inner = self.children[element].to_wire() if element in self.children else {}
            out[element] = {".": {}, **inner} if element in self.members and inner else inner
        return out

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> FieldSet:
        """The set that FieldsV1 describes. Raises ValueError for what is no FieldsV1."""
        out = cls()
        for element, inner in fields.items():
            if element == ".":
                continue  # said of this level: the level above has read it
            if not _ELEMENT.match(element) or not isinstance(inner, Mapping):
                raise ValueError(f"{element!r} is no element of FieldsV1")
            if not inner or "." in inner:
                out.members.add(element)
            below = cls.from_wire(inner)
            if below:
                out.children[element] = below
        return out


def _made(members: set[str], children: dict[str, FieldSet]) -> FieldSet:
    out = FieldSet()
    out.members, out.children = members, children
    return out


def _replaced(
    first: dict[str, FieldSet], children: dict[str, FieldSet], element: str, by: FieldSet | None
) -> dict[str, FieldSet]:
    """Children with one of them replaced, or taken out where nothing is left of it; the first ones are not changed."""
    if children is first:
        children = dict(first)
    if by:
        children[element] = by
    else:
        del children[element]
    return children


@lru_cache(maxsize=256)
def known(wire: bytes) -> tuple[FieldSet, bool]:
    """The set that FieldsV1 in JSON describes, and whether ``to_wire`` says it in the same words.

    Many objects have the same, and most of what is read is not changed: it is remembered. Raises ValueError.
    """
    found = FieldSet.from_wire(orjson.loads(wire))
    return found, orjson.dumps(found.to_wire()) == wire


def _kept(children: dict[str, FieldSet]) -> dict[str, FieldSet]:
    return {element: each for element, each in children.items() if each}


def of_value(value: Any) -> str:
    """The element of a set's value."""
    return "v:" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def of_item(item: Any, keys: tuple[str, ...], defaults: Mapping[str, Any] = KEY_DEFAULTS) -> str | None:
    """The element of a keyed list's item; None where it has no key at all, nor a default for one."""
    if not isinstance(item, dict):
        return None
    found = {}
    for key in keys:
        value = item.get(key, defaults.get(key))
        if value is not None:
            found[key] = value
    if not found:
        return None
    return "k:" + orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()


def shown(path: tuple[str, ...]) -> str:
    """A path as people read it: .spec.containers[name="web"].image."""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            pairs = ",".join(f"{key}={orjson.dumps(value).decode()}" for key, value in orjson.loads(rest).items())
            text += f"[{pairs}]"
        else:
            text += f"[={rest}]" if kind == "v" else f"[{rest}]"
    return text
