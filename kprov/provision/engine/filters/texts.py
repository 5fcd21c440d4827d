"""Texts and numbers."""

from __future__ import annotations

import math
import re
import shlex
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

from jinja2.exceptions import FilterArgumentError


def flags_of(ignorecase: bool, multiline: bool) -> int:
    """The flags of a regular expression."""
    return (re.IGNORECASE if ignorecase else 0) | (re.MULTILINE if multiline else 0)


def _regex_replace(
    value: Any = "",
    pattern: str = "",
    replacement: str = "",
    ignorecase: bool = False,
    multiline: bool = False,
    count: int = 0,
    mandatory_count: int = 0,
) -> str:
    text, replaced = re.subn(pattern, replacement, str(value), count=count, flags=flags_of(ignorecase, multiline))
    if mandatory_count and mandatory_count != replaced:
        raise FilterArgumentError(f"'{pattern}' should match {mandatory_count} times, but matches {replaced} times")
    return text


def _regex_search(value: Any, pattern: str, *groups: str, ignorecase: bool = False, multiline: bool = False) -> Any:
    wanted: list[str | int] = []
    for group in groups:
        named, numbered = re.match(r"\\g<(\S+)>", group), re.match(r"\\(\d+)", group)
        if named is None and numbered is None:
            raise FilterArgumentError(f"regex_search: '{group}' names no group; write '\\\\1' or '\\\\g<name>'")
        wanted.append(named[1] if named is not None else int(numbered[1] if numbered is not None else 0))
    match = re.search(pattern, str(value), flags_of(ignorecase, multiline))
    if match is None:
        return None
    return [match.group(group) for group in wanted] if wanted else match.group()


def _regex_findall(value: Any, pattern: str, multiline: bool = False, ignorecase: bool = False) -> list[Any]:
    return re.findall(pattern, str(value), flags_of(ignorecase, multiline))


def _regex_escape(value: Any, re_type: str = "python") -> str:
    if re_type == "python":
        return re.escape(str(value))
    if re_type == "posix_basic":
        return re.sub(r"([].[^$*\\])", r"\\\1", str(value))
    raise FilterArgumentError(f"regex_escape: re_type must be python or posix_basic, not {re_type}")


_COMMENTS = {
    "plain": {"decoration": "# "},
    "erlang": {"decoration": "% "},
    "c": {"decoration": "// "},
    "cblock": {"beginning": "/*", "decoration": " * ", "end": " */"},
    "xml": {"beginning": "<!--", "decoration": " - ", "end": "-->"},
}


def _comment(value: Any, style: str = "plain", **options: Any) -> str:
    if style not in _COMMENTS:
        raise FilterArgumentError(f"comment: style must be one of {', '.join(_COMMENTS)}, not {style}")
    chosen: dict[str, Any] = {"newline": "\n", "beginning": "", "end": "", "prefix_count": 1, "postfix_count": 1}
    chosen.update({**_COMMENTS[style], **options})
    decoration, newline = chosen["decoration"], chosen["newline"]
    around = (chosen.get("prefix", decoration.rstrip()), chosen.get("postfix", decoration.rstrip()))
    begin = f"{chosen['beginning']}{newline}" if chosen["beginning"] else ""
    before = f"{around[0]}{newline}" * chosen["prefix_count"] if around[0] else ""
    body = newline.join((decoration + line).rstrip() for line in str(value).split(newline))
    after = (newline + newline.join([around[1]] * chosen["postfix_count"])) if around[1] else ""
    end = f"{newline}{chosen['end']}" if chosen["end"] else ""
    return f"{begin}{before}{body}{after}{end}"


_UNITS = {"Y": 80, "Z": 70, "E": 60, "P": 50, "T": 40, "G": 30, "M": 20, "K": 10, "B": 0}


def _human_to_bytes(value: Any, default_unit: str | None = None, isbits: bool = False) -> int:
    match = re.match(r"^([0-9.]+)\s*([A-Za-z]*)$", str(value).strip())
    if match is None:
        raise FilterArgumentError(f"human_to_bytes: '{value}' is no size")
    unit = (match[2] or default_unit or "B").upper()
    if unit[0] not in _UNITS:
        raise FilterArgumentError(f"human_to_bytes: '{match[2]}' is no unit; they are {', '.join(_UNITS)}")
    return round(float(match[1]) * (1 << _UNITS[unit[0]]))


def _human_readable(value: Any, isbits: bool = False, unit: str | None = None) -> str:
    size = float(value)
    suffix, shift = "B", 0
    for name, power in _UNITS.items():
        if (unit is None and size >= 1 << power) or (unit is not None and unit.upper()[0] == name):
            suffix, shift = name, power
            break
    base = "bits" if isbits else "Bytes"
    if suffix != "B":
        base = suffix + ("b" if isbits else "B")
    return f"{size / (1 << shift):.2f} {base}"


def _urlsplit(value: Any, query: str = "") -> Any:
    parts = urllib.parse.urlsplit(str(value))
    found = {name: getattr(parts, name) for name in (*parts._fields, "username", "password", "hostname", "port")}
    if query and query not in found:
        raise FilterArgumentError(f"urlsplit: '{query}' is none of {', '.join(found)}")
    return found[query] if query else found


_NAMESPACE = uuid.UUID("361E6D51-FAEC-444A-9079-341386DA8E2E")

FILTERS: dict[str, Callable[..., Any]] = {
    "comment": _comment,
    "human_readable": _human_readable,
    "human_to_bytes": _human_to_bytes,
    "log": lambda value, base=math.e: math.log10(value) if base == 10 else math.log(value, base),
    "pow": lambda value, power: math.pow(value, power),
    "quote": lambda value: shlex.quote("" if value is None else str(value)),
    "regex_escape": _regex_escape,
    "regex_findall": _regex_findall,
    "regex_replace": _regex_replace,
    "regex_search": _regex_search,
    "root": lambda value, base=2: math.sqrt(value) if base == 2 else math.pow(value, 1.0 / float(base)),
    "split": lambda value, separator=None: str(value).split(separator),
    "to_uuid": lambda value, namespace=_NAMESPACE: str(uuid.uuid5(uuid.UUID(str(namespace)), str(value))),
    "type_debug": lambda value: type(value).__name__,
    "urldecode": lambda value: urllib.parse.unquote_plus(str(value)),
    "urlsplit": _urlsplit,
}
