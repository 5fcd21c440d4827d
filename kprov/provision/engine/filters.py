"""Filters and tests of templates, under Ansible's names."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import itertools
import json
import os.path
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from jinja2 import Undefined
from jinja2.exceptions import FilterArgumentError, UndefinedError


def _bool(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in {"yes", "on", "true", "1", "y", "t"}
    return bool(value)


def _mandatory(value: Any, message: str | None = None) -> Any:
    if isinstance(value, Undefined):
        raise UndefinedError(message or f"'{value._undefined_name}' must be defined")
    return value


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


def _to_yaml(value: Any, **options: Any) -> str:
    return str(
        yaml.dump(
            value, Dumper=_Dumper, **{"default_flow_style": None, "allow_unicode": True, "sort_keys": True, **options}
        )
    )


def _to_nice_yaml(value: Any, indent: int = 2, **options: Any) -> str:
    defaults = {"default_flow_style": False, "allow_unicode": True, "sort_keys": True, "width": 1000}
    return str(yaml.dump(value, Dumper=_Dumper, indent=indent, **{**defaults, **options}))


def _combine(*mappings: Any, recursive: bool = False) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    flat = [item for mapping in mappings for item in (mapping if isinstance(mapping, list) else [mapping])]
    for mapping in flat:
        for key, value in mapping.items():
            if recursive and isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
                result[key] = _combine(result[key], value, recursive=True)
            else:
                result[key] = value
    return result


def _regex_search(value: Any, pattern: str, *groups: str, ignorecase: bool = False, multiline: bool = False) -> Any:
    match = re.search(pattern, str(value), (re.IGNORECASE if ignorecase else 0) | (re.MULTILINE if multiline else 0))
    if match is None:
        return None if not groups else []
    if not groups:
        return match.group()
    return [match.group(int(group[1:]) if group[1:].isdigit() else group[3:-1]) for group in groups]


def _ipaddr(value: Any, query: Any = "") -> Any:
    if isinstance(value, (list, tuple)):
        return [found for found in (_ipaddr(item, query) for item in value) if found not in (False, None)]
    try:
        interface = ipaddress.ip_interface(str(value))
    except ValueError:
        return False
    network = interface.network
    if query in ("", None):
        return str(value)
    if isinstance(query, int) or str(query).lstrip("-").isdigit():
        return f"{network[int(query)]}/{network.prefixlen}"
    answers: dict[str, Callable[[], Any]] = {
        "address": lambda: str(interface.ip),
        "network": lambda: str(network.network_address),
        "netmask": lambda: str(network.netmask),
        "prefix": lambda: network.prefixlen,
        "broadcast": lambda: str(network.broadcast_address),
        "network/prefix": lambda: str(network),
        "subnet": lambda: str(network),
        "cidr": lambda: str(interface),
        "host": lambda: str(interface),
        "size": lambda: network.num_addresses,
        "version": lambda: network.version,
        "ipv4": lambda: str(value) if network.version == 4 else False,
        "ipv6": lambda: str(value) if network.version == 6 else False,
    }
    if str(query) in answers:
        return answers[str(query)]()
    try:
        return str(value) if interface.ip in ipaddress.ip_network(str(query)) else False
    except (ValueError, TypeError):
        raise FilterArgumentError(f"ipaddr knows no query '{query}'") from None


def _flatten(value: Iterable[Any], levels: int | None = None) -> list[Any]:
    result: list[Any] = []
    for item in value:
        if isinstance(item, (list, tuple)) and levels != 0:
            result += _flatten(item, None if levels is None else levels - 1)
        elif item is not None:
            result.append(item)
    return result


def _unique(value: Iterable[Any]) -> list[Any]:
    result: list[Any] = []
    for item in value:
        if item not in result:
            result.append(item)
    return result


def _version(value: Any, other: Any, operator: str = "==", **_: Any) -> bool:
    def key(text: Any) -> list[tuple[int, int, str]]:
        return [
            (1, int(part), "") if part.isdigit() else (0, 0, part)
            for part in re.findall(r"\d+|[a-z]+", str(text).lower())
        ]

    left, right = key(value), key(other)
    names = {"=": "==", "eq": "==", "ne": "!=", "<>": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
    table: dict[str, bool] = {
        "==": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }
    return table[names.get(operator, operator)]


FILTERS: dict[str, Callable[..., Any]] = {
    "bool": _bool,
    "mandatory": _mandatory,
    "to_json": lambda value, **options: json.dumps(value, **options),
    "to_nice_json": lambda value, indent=4, sort_keys=True, **options: json.dumps(
        value, indent=indent, sort_keys=sort_keys, **options
    ),
    "from_json": json.loads,
    "to_yaml": _to_yaml,
    "to_nice_yaml": _to_nice_yaml,
    "from_yaml": yaml.safe_load,
    "b64encode": lambda value: base64.b64encode(value if isinstance(value, bytes) else str(value).encode()).decode(),
    "b64decode": lambda value: base64.b64decode(value).decode(),
    "regex_replace": lambda value, pattern="", replacement="", ignorecase=False, multiline=False, count=0: re.sub(
        pattern,
        replacement,
        str(value),
        count=count,
        flags=(re.IGNORECASE if ignorecase else 0) | (re.MULTILINE if multiline else 0),
    ),
    "regex_search": _regex_search,
    "regex_findall": lambda value, pattern: re.findall(pattern, str(value)),
    "regex_escape": lambda value: re.escape(str(value)),
    "hash": lambda value, kind="sha1": hashlib.new(kind, str(value).encode()).hexdigest(),
    "checksum": lambda value: hashlib.sha256(str(value).encode()).hexdigest(),
    "combine": _combine,
    "dict2items": lambda value, key_name="key", value_name="value": [
        {key_name: k, value_name: v} for k, v in value.items()
    ],
    "items2dict": lambda value, key_name="key", value_name="value": {
        item[key_name]: item[value_name] for item in value
    },
    "quote": lambda value: shlex.quote(str(value)),
    "basename": lambda value: os.path.basename(str(value)),  # noqa: PTH119 - texts, not files
    "dirname": lambda value: os.path.dirname(str(value)),  # noqa: PTH120
    "splitext": lambda value: list(os.path.splitext(str(value))),  # noqa: PTH122
    "path_join": lambda value: os.path.join(*value),  # noqa: PTH118
    "flatten": _flatten,
    "unique": _unique,
    "union": lambda left, right: _unique([*left, *right]),
    "difference": lambda left, right: [item for item in _unique(left) if item not in right],
    "symmetric_difference": lambda left, right: [i for i in _unique([*left, *right]) if (i in left) != (i in right)],
    "intersect": lambda left, right: [item for item in _unique(left) if item in right],
    "zip": lambda *lists: [list(items) for items in zip(*lists, strict=False)],
    "product": lambda *lists: [list(items) for items in itertools.product(*lists)],
    "ternary": lambda value, yes, no=None, none=None: (
        none if value is None and none is not None else (yes if _bool(value) else no)
    ),
    "extract": lambda key, container: container[key],
    "split": lambda value, separator=None: str(value).split(separator),
    "type_debug": lambda value: type(value).__name__,
    "ipaddr": _ipaddr,
    "ipv4": lambda value: _ipaddr(value, "ipv4"),
    "ipv6": lambda value: _ipaddr(value, "ipv6"),
}

TESTS: dict[str, Callable[..., bool]] = {
    "match": lambda value, pattern: re.match(pattern, str(value)) is not None,
    "search": lambda value, pattern: re.search(pattern, str(value)) is not None,
    "regex": lambda value, pattern: re.search(pattern, str(value)) is not None,
    "succeeded": lambda result: not result.get("failed"),
    "success": lambda result: not result.get("failed"),
    "failed": lambda result: bool(result.get("failed")),
    "changed": lambda result: bool(result.get("changed")),
    "skipped": lambda result: bool(result.get("skipped")),
    "subset": lambda left, right: all(item in right for item in left),
    "superset": lambda left, right: all(item in left for item in right),
    "contains": lambda container, item: item in container,
    "version": _version,
    "truthy": lambda value: bool(value),
    "falsy": lambda value: not value,
    "any": lambda value: any(value),
    "all": lambda value: all(value),
}
