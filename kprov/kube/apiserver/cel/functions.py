"""The functions that Kubernetes adds to CEL: lists, regular expressions, sets, quantities, URLs, and other files' rows.

Values of Kubernetes' own types (a quantity, a URL) are maps in here, which expressions only hand to these functions.
"""

from __future__ import annotations

from itertools import islice
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from kprov.kube.api import quantity
from kprov.kube.apiserver.cel import addresses, authorizer, formats, semantic_versions
from kprov.kube.apiserver.cel.overloads import Own, Rows, content, holds, kind_of
from kprov.kube.apiserver.regular_expressions import pattern_of

_QUANTITY, _URL = "quantity", "url"


def _quantity(text: str) -> Own:
    quantity.parse(text)
    return {_QUANTITY: quantity.canonical(text)}


def _exact(value: Own) -> Any:
    return quantity.parse(content(value, _QUANTITY))


def _compare(one: Own, other: Own) -> int:
    """Of two quantities or two semantic versions."""
    rank: Any = semantic_versions.rank if kind_of(one) == semantic_versions.SEMVER else _exact
    return int(rank(one) > rank(other)) - int(rank(one) < rank(other))


def _sum(one: Own, other: Own | int, sign: int) -> Own:
    second = other if isinstance(other, int) else _exact(other)
    style = quantity.format_of(content(one, _QUANTITY))
    return {_QUANTITY: quantity.format_quantity(_exact(one) + sign * second, style)}


def _integer(value: Own) -> int:
    found = _exact(value)
    if found != int(found):
        raise ValueError("cannot convert value to integer")
    return int(found)


def _url(text: str) -> Own:
    parts = urlsplit(text)
    if not (parts.scheme and parts.netloc) and not text.startswith("/"):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    return {_URL: text}


def _parts(value: Own) -> SplitResult:
    return urlsplit(str(content(value, _URL)))


def _port(value: Own) -> str:
    port = _parts(value).port
    return "" if port is None else str(port)


def _find(text: str, pattern: str) -> str:
    found = pattern_of(pattern).search(text)
    return str(found[0]) if found else ""


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    found = pattern_of(pattern).finditer(text)
    return [each[0] for each in (found if most < 0 else islice(found, most))]


def _hashable(value: Any) -> Any:
    """A value by which equal ones are found without comparing each with each."""
    if isinstance(value, dict):
        return frozenset((key, _hashable(each)) for key, each in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _set(values: list[Any]) -> set[Any]:
    return set(map(_hashable, values))


def _last_index(values: list[Any], value: Any) -> int:
    return len(values) - 1 - values[::-1].index(value) if value in values else -1


def library() -> Any:
    """All of them, as an extension of CEL."""
    from cel_expr_python import cel

    kind = cel.Type
    any_, text, number, flag, double = kind.DYN, kind.STRING, kind.INT, kind.BOOL, kind.DOUBLE
    own: Any = kind.Map(text, text)
    values, texts = kind.List(any_), kind.List(text)

    rows: Rows = [
        ("isSorted", [(flag, [values], True, lambda given: given == sorted(given))]),
        ("sum", [(any_, [values], True, sum)]),
        ("min", [(any_, [values], True, min)]),
        ("max", [(any_, [values], True, max)]),
        ("indexOf", [(number, [values, any_], True, lambda given, one: given.index(one) if one in given else -1)]),
        ("lastIndexOf", [(number, [values, any_], True, _last_index)]),
        ("find", [(text, [text, text], True, _find)]),
        ("findAll", [(texts, [text, text], True, _find_all), (texts, [text, text, number], True, _find_all)]),
        ("sets.contains", [(flag, [values, values], False, lambda all_, some: _set(all_) >= _set(some))]),
        ("sets.intersects", [(flag, [values, values], False, lambda one, two: bool(_set(one) & _set(two)))]),
        ("sets.equivalent", [(flag, [values, values], False, lambda one, two: _set(one) == _set(two))]),
        ("isQuantity", [(flag, [text], False, lambda given: holds(quantity.parse, given))]),
        ("quantity", [(own, [text], False, _quantity)]),
        ("compareTo", [(number, [own, own], True, _compare)]),
        ("isGreaterThan", [(flag, [own, own], True, lambda one, two: _compare(one, two) > 0)]),
        ("isLessThan", [(flag, [own, own], True, lambda one, two: _compare(one, two) < 0)]),
        ("sign", [(number, [own], True, lambda one: (_exact(one) > 0) - (_exact(one) < 0))]),
        ("isInteger", [(flag, [own], True, lambda one: _exact(one) == int(_exact(one)))]),
        ("asInteger", [(number, [own], True, _integer)]),
        ("asApproximateFloat", [(double, [own], True, lambda one: float(_exact(one)))]),
        ("add", [(own, [own, own], True, lambda one, two: _sum(one, two, 1)),
                 (own, [own, number], True, lambda one, two: _sum(one, two, 1))]),
        ("sub", [(own, [own, own], True, lambda one, two: _sum(one, two, -1)),
                 (own, [own, number], True, lambda one, two: _sum(one, two, -1))]),
        ("isURL", [(flag, [text], False, lambda given: holds(_url, given))]),
        ("url", [(own, [text], False, _url)]),
        ("getScheme", [(text, [own], True, lambda one: _parts(one).scheme)]),
        ("getHost", [(text, [own], True, lambda one: _parts(one).netloc.rpartition("@")[2])]),
        ("getHostname", [(text, [own], True, lambda one: _parts(one).hostname or "")]),
        ("getPort", [(text, [own], True, _port)]),
        ("getEscapedPath", [(text, [own], True, lambda one: _parts(one).path)]),
        ("getQuery", [(kind.Map(text, texts), [own], True, lambda one: parse_qs(_parts(one).query))]),
        *addresses.rows(kind, own),
        *authorizer.rows(kind, own),
        *formats.rows(kind, own),
        *semantic_versions.rows(kind, own),
    ]  # fmt: skip
    declared = [
        cel.FunctionDecl(
            name,
            [
                cel.Overload(f"kubernetes_{name}_{index}", result, parameters, member, run)
                for index, (result, parameters, member, run) in enumerate(overloads)
            ],
        )
        for name, overloads in rows
    ]
    return cel.CelExtension("kubernetes", declared)
