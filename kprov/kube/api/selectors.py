"""Label and field selectors: their texts, their JSON shape, and whether an object matches.

Grammar and meaning are upstream's (labels.Parse, fields.ParseSelector, metav1.LabelSelector): ``NotIn`` and ``!=`` also
match objects that do not carry the label at all; an absent LabelSelector matches nothing and an empty one everything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


class SelectorError(ValueError):
    """The text or object is not a selector."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. Operators: In, NotIn, Exists, DoesNotExist, Gt, Lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet the condition."""
        found = labels.get(self.key)
        match self.operator:
            case "In":
                return found in self.values
            case "NotIn":
                return found not in self.values
            case "Exists":
                return found is not None
            case "DoesNotExist":
                return found is None
        return found is not None and _compares(found, self.operator, next(iter(self.values)))

    def __str__(self) -> str:
        values = sorted(self.values)
        match self.operator:
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"
            case "Gt" | "Lt":
                return f"{self.key}{'>' if self.operator == 'Gt' else '<'}{values[0]}"
        if len(values) == 1:
            return f"{self.key}{'=' if self.operator == 'In' else '!='}{values[0]}"
        return f"{self.key} {'in' if self.operator == 'In' else 'notin'} ({','.join(values)})"


def _compares(found: str, operator: str, bound: str) -> bool:
    try:
        left, right = int(found), int(bound)
    except ValueError:
        return False
    return left > right if operator == "Gt" else left < right


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that must all hold. ``str()`` gives the text for a query parameter."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether labels meet every condition."""
        if self.nothing:
            return False
        given = labels or {}
        return all(requirement.matches(given) for requirement in self.requirements)

    @property
    def everything(self) -> bool:
        """Whether there is no condition at all."""
        return not self.requirements and not self.nothing

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)

_KEY = r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?/)?[a-zA-Z0-9](?:[-\w.]{0,61}[a-zA-Z0-9])?"
_VALUE = r"(?:[a-zA-Z0-9](?:[-\w.]{0,61}[a-zA-Z0-9])?)?"
_SET = re.compile(rf"\s*({_KEY})\s+(in|notin)\s*\(([^()]*)\)\s*", re.ASCII)
_EXISTS = re.compile(rf"\s*(!?)\s*({_KEY})\s*", re.ASCII)
_EQUALS = re.compile(rf"\s*({_KEY})\s*(==|=|!=|>|<)\s*({_VALUE})\s*", re.ASCII)
_LABEL_VALUE = re.compile(_VALUE, re.ASCII)


@lru_cache(maxsize=1024)
def parse_label_selector(text: str) -> Selector:
    """A selector from its text, as ``app=web,tier in (a,b),!old``.

    Raises:
        SelectorError: the text is not a label selector.
    """
    if not text.strip():
        return EVERYTHING
    return Selector(tuple(_requirement(part) for part in _split_outside_parentheses(text)))


def _split_outside_parentheses(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def _requirement(part: str) -> Requirement:
    if match := _SET.fullmatch(part):
        values = frozenset(value.strip() for value in match[3].split(","))
        for one in values:
            if not _LABEL_VALUE.fullmatch(one):
                raise SelectorError(f"unable to parse requirement: {one!r} is not a label value")
        return Requirement(match[1], "In" if match[2] == "in" else "NotIn", values)
    if match := _EQUALS.fullmatch(part):
        operator = {"=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt"}[match[2]]
        if operator in ("Gt", "Lt") and not re.fullmatch(r"\d+", match[3]):
            raise SelectorError("unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer")
        return Requirement(match[1], operator, frozenset((match[3],)))
    if match := _EXISTS.fullmatch(part):
        return Requirement(match[2], "DoesNotExist" if match[1] else "Exists")
    raise SelectorError(f"unable to parse requirement: {part.strip()!r} is not a label requirement")


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """A selector from a LabelSelector's JSON shape (``matchLabels`` and ``matchExpressions``).

    Raises:
        SelectorError: an expression's operator or values are wrong.
    """
    if selector is None:
        return NOTHING
    requirements = [
        Requirement(key, "In", frozenset((label,))) for key, label in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        operator, values = expression.get("operator"), frozenset(expression.get("values") or ())
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            raise SelectorError(f"{operator!r} is not a valid label selector operator")
        if operator in ("In", "NotIn") and not values:
            raise SelectorError(f"for {operator} operators, values set can't be empty")
        if operator in ("Exists", "DoesNotExist") and values:
            raise SelectorError(f"values set must be empty for {operator}")
        requirements.append(Requirement(expression["key"], operator, values))
    return Selector(tuple(requirements))


def from_map(labels: Mapping[str, str] | None) -> Selector:
    """A selector that wants exactly these labels, as a Service's ``selector``; empty matches everything."""
    return Selector(tuple(Requirement(key, "In", frozenset((label,))) for key, label in (labels or {}).items()))


def matches(selector: Selector | str | Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """Whether labels match a selector in any of its forms: parsed, text, or a LabelSelector's JSON shape."""
    if isinstance(selector, Selector):
        return selector.matches(labels)
    if isinstance(selector, str):
        return parse_label_selector(selector).matches(labels)
    return from_label_selector(selector).matches(labels)


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One condition on one field: equal to a value, or not equal."""

    field: str
    value: str
    equal: bool = True


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Conditions on fields that must all hold."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether the fields (by dotted name; absent ones count as empty) meet every condition."""
        return all((fields.get(term.field, "") == term.value) is term.equal for term in self.terms)

    def exact(self, field: str) -> str | None:
        """The value that the selector wants a field to have exactly, or None."""
        return next((term.value for term in self.terms if term.field == field and term.equal), None)

    def __str__(self) -> str:
        return ",".join(f"{term.field}{'=' if term.equal else '!='}{_escape(term.value)}" for term in self.terms)


def _escape(value: str) -> str:
    return re.sub(r"[\\,=]", r"\\\g<0>", value)


@lru_cache(maxsize=1024)
def parse_field_selector(text: str) -> FieldSelector:
    r"""A field selector from its text, as ``spec.nodeName=a,status.phase!=Failed``; ``\,`` ``\=`` ``\\`` are escapes.

    Raises:
        SelectorError: a term is neither ``field=value`` nor ``field!=value``.
    """
    terms = []
    for term in re.findall(r"(?:[^\\,]|\\.)+", text):
        match = re.fullmatch(r"([^=!]+)(==|=|!=)((?:[^\\=]|\\[\\,=])*)", term)
        if not match:
            raise SelectorError(f"invalid selector: {text!r}; can't understand {term!r}")
        terms.append(FieldTerm(match[1], re.sub(r"\\(.)", r"\1", match[3]), match[2] != "!="))
    return FieldSelector(tuple(terms))
