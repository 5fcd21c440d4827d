"""The functions that Kubernetes adds to CEL: lists, regular expressions, sets, quantities, URLs and addresses.

Values of Kubernetes' own types (a quantity, a URL) are maps in here, which expressions only hand to these functions.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kprov.kube.api import quantity

_QUANTITY, _URL = "quantity", "url"


def _holds(check: Callable[[str], object], text: str) -> bool:
    try:
        check(text)
    except (ValueError, TypeError):
        return False
    return True


def _quantity(text: str) -> dict[str, str]:
    quantity.parse(text)
    return {_QUANTITY: quantity.canonical(text)}


def _exact(value: dict[str, str]) -> Any:
    return quantity.parse(value[_QUANTITY])


def _compare(one: dict[str, str], other: dict[str, str]) -> int:
    return int(_exact(one) > _exact(other)) - int(_exact(one) < _exact(other))


def _sum(one: dict[str, str], other: dict[str, str] | int, sign: int) -> dict[str, str]:
    second = other if isinstance(other, int) else _exact(other)
    style = quantity.format_of(one[_QUANTITY])
    return {_QUANTITY: quantity.format_quantity(_exact(one) + sign * second, style)}


def _integer(value: dict[str, str]) -> int:
    found = _exact(value)
    if found != int(found):
        raise ValueError("cannot convert value to integer")
    return int(found)


def _url(text: str) -> dict[str, str]:
    parts = urlsplit(text)
    if not (parts.scheme and parts.netloc) and not text.startswith("/"):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    return {_URL: text}


def _port(value: dict[str, str]) -> str:
    port = urlsplit(value[_URL]).port
    return "" if port is None else str(port)


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _find(text: str, pattern: str) -> str:
    found = _pattern(pattern).search(text)
    return found[0] if found else ""


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    found = [each[0] for each in _pattern(pattern).finditer(text)]
    return found if most < 0 else found[:most]


def _last_index(values: list[Any], value: Any) -> int:
    return len(values) - 1 - values[::-1].index(value) if value in values else -1


def library() -> Any:
    """All of them, as an extension of CEL."""
    from cel_expr_python import cel

    kind = cel.Type
    any_, text, number, flag, double = kind.DYN, kind.STRING, kind.INT, kind.BOOL, kind.DOUBLE
    own = kind.Map(text, text)
    values, texts = kind.List(any_), kind.List(text)

    rows: list[tuple[str, list[tuple[Any, list[Any], bool, Callable[..., Any]]]]] = [
        ("isSorted", [(flag, [values], True, lambda given: given == sorted(given))]),
        ("sum", [(any_, [values], True, sum)]),
        ("min", [(any_, [values], True, min)]),
        ("max", [(any_, [values], True, max)]),
        ("indexOf", [(number, [values, any_], True, lambda given, one: given.index(one) if one in given else -1)]),
        ("lastIndexOf", [(number, [values, any_], True, _last_index)]),
        ("find", [(text, [text, text], True, _find)]),
        ("findAll", [(texts, [text, text], True, _find_all), (texts, [text, text, number], True, _find_all)]),
        ("sets.contains", [(flag, [values, values], False, lambda all_, some: all(each in all_ for each in some))]),
        ("sets.intersects", [(flag, [values, values], False, lambda one, two: any(each in one for each in two))]),
        ("sets.equivalent", [(flag, [values, values], False, lambda one, two: all(each in two for each in one)
                              and all(each in one for each in two))]),
        ("isQuantity", [(flag, [text], False, lambda given: _holds(quantity.parse, given))]),
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
        ("isURL", [(flag, [text], False, lambda given: _holds(_url, given))]),
        ("url", [(own, [text], False, _url)]),
        ("getScheme", [(text, [own], True, lambda one: urlsplit(one[_URL]).scheme)]),
        ("getHost", [(text, [own], True, lambda one: urlsplit(one[_URL]).netloc.rpartition("@")[2])]),
        ("getHostname", [(text, [own], True, lambda one: urlsplit(one[_URL]).hostname or "")]),
        ("getPort", [(text, [own], True, _port)]),
        ("getEscapedPath", [(text, [own], True, lambda one: urlsplit(one[_URL]).path)]),
        ("getQuery", [(kind.Map(text, texts), [own], True, lambda one: parse_qs(urlsplit(one[_URL]).query))]),
        ("isIP", [(flag, [text], False, lambda given: _holds(ipaddress.ip_address, given))]),
        ("isCIDR", [(flag, [text], False, lambda given: "/" in given and _holds(ipaddress.ip_interface, given))]),
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
