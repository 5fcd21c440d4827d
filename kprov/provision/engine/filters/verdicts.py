"""Tests: what `is` may be followed by."""

from __future__ import annotations

import math
import operator
import os.path
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from jinja2.exceptions import FilterArgumentError

from kprov.provision.engine.filters.collections import to_bool
from kprov.provision.engine.filters.texts import flags_of


def _of_result(name: str, judge: Callable[[Mapping[str, Any]], bool]) -> Callable[[Any], bool]:
    """A test of a registered result."""

    def test(result: Any) -> bool:
        if not isinstance(result, Mapping):
            raise FilterArgumentError(f"'is {name}' takes a registered result, not {type(result).__name__}")
        return judge(result)

    return test


def _changed(result: Mapping[str, Any]) -> bool:
    if "changed" not in result and isinstance(result.get("results"), list):
        return any(item.get("changed") for item in result["results"] if isinstance(item, Mapping))
    return bool(result.get("changed"))


def _regex(
    value: Any = "", pattern: str = "", ignorecase: bool = False, multiline: bool = False, match_type: str = "search"
) -> bool:
    compiled = re.compile(pattern, flags_of(ignorecase, multiline))
    return bool(getattr(compiled, match_type)(str(value)))


def _match(value: Any, pattern: str = "", ignorecase: bool = False, multiline: bool = False) -> bool:
    return _regex(value, pattern, ignorecase, multiline, "match")


def _search(value: Any, pattern: str = "", ignorecase: bool = False, multiline: bool = False) -> bool:
    return _regex(value, pattern, ignorecase, multiline, "search")


def _version_key(text: Any) -> list[tuple[int, int, str]]:
    return [
        (1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.findall(r"\d+|[a-z]+", str(text).lower())
    ]


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("==", "=", "eq"), operator.eq),
    **dict.fromkeys(("!=", "<>", "ne"), operator.ne),
    **dict.fromkeys(("<", "lt"), operator.lt),
    **dict.fromkeys(("<=", "le"), operator.le),
    **dict.fromkeys((">", "gt"), operator.gt),
    **dict.fromkeys((">=", "ge"), operator.ge),
}


def _version(value: Any, version: Any, operator: str = "eq", strict: Any = None, version_type: Any = None) -> bool:
    if str(value) == "":
        raise FilterArgumentError("'is version' takes a version, and this one is empty")
    if operator not in _OPERATORS:
        raise FilterArgumentError(f"'is version': '{operator}' is none of {', '.join(_OPERATORS)}")
    return _OPERATORS[operator](_version_key(value), _version_key(version))


def _truthy(value: Any, convert_bool: bool = False) -> bool:
    return bool(to_bool(value) if convert_bool and isinstance(value, (str, bool, int)) else value)


def _is_uri(value: Any, schemes: Any = None) -> bool:
    try:
        parts = urlsplit(str(value))
    except ValueError:
        return False
    return bool(parts.scheme) and (schemes is None or parts.scheme in schemes)


def _is_mount(value: Any) -> bool:
    return os.path.ismount(str(value))


_BY_NAME: dict[tuple[str, ...], Callable[..., bool]] = {
    ("failed", "failure"): _of_result("failed", lambda result: bool(result.get("failed"))),
    ("succeeded", "success", "successful"): _of_result("succeeded", lambda result: not result.get("failed")),
    ("changed", "change"): _of_result("changed", _changed),
    ("skipped", "skip"): _of_result("skipped", lambda result: bool(result.get("skipped"))),
    ("reachable",): _of_result("reachable", lambda result: not result.get("unreachable")),
    ("unreachable",): _of_result("unreachable", lambda result: bool(result.get("unreachable"))),
    ("timedout",): _of_result("timedout", lambda result: bool(result.get("timedout"))),
    ("finished",): _of_result("finished", lambda result: bool(result.get("finished", 1))),
    ("started",): _of_result("started", lambda result: bool(result.get("started", 1))),
    ("match",): _match,
    ("search",): _search,
    ("regex",): _regex,
    ("version", "version_compare"): _version,
    ("subset", "issubset"): lambda left, right: all(item in right for item in left),
    ("superset", "issuperset"): lambda left, right: all(item in left for item in right),
    ("contains",): lambda container, item: item in container,
    ("truthy",): _truthy,
    ("falsy",): lambda value, convert_bool=False: not _truthy(value, convert_bool),
    ("any",): lambda value: any(value),
    ("all",): lambda value: all(value),
    ("nan", "isnan"): lambda value: math.isnan(value),
    ("uri",): _is_uri,
    ("url",): lambda value, schemes=None: _is_uri(value, schemes) and bool(urlsplit(str(value)).netloc),
    ("urn",): lambda value: _is_uri(value, ["urn"]),
    # Files of the controller.
    ("file", "is_file"): lambda value: os.path.isfile(str(value)),  # noqa: PTH113
    ("directory", "is_dir"): lambda value: os.path.isdir(str(value)),  # noqa: PTH112
    ("exists",): lambda value: os.path.exists(str(value)),  # noqa: PTH110
    ("link", "is_link"): lambda value: os.path.islink(str(value)),  # noqa: PTH114
    ("link_exists",): lambda value: os.path.lexists(str(value)),
    ("abs", "is_abs"): lambda value: os.path.isabs(str(value)),  # noqa: PTH117
    ("mount", "is_mount"): _is_mount,
    ("same_file", "is_same_file"): lambda left, right: os.path.samefile(str(left), str(right)),  # noqa: PTH121
}

TESTS: dict[str, Callable[..., bool]] = {name: test for names, test in _BY_NAME.items() for name in names}
