"""The parameters that a role declares in meta/argument_specs.yml, checked before its first task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kprov.provision.agent.parameters import Parameter, nearest, values

_KINDS = {
    "str": "str",
    "int": "int",
    "bool": "bool",
    "float": "float",
    "list": "list",
    "dict": "dict",
    "path": "path",
    "raw": "any",
    "json": "any",
    "jsonarg": "any",
    "bytes": "str",
    "bits": "str",
}


def wrong_arguments(spec: Mapping[str, Any], given: Mapping[str, Any], within: str = "") -> list[str]:
    """What is wrong with a role's arguments.

    Args:
        spec: its `options`.
        given: those of them that are given.
        within: the option whose suboptions these are.
    """
    problems: list[str] = []
    for name, option in spec.items():
        option = option if isinstance(option, Mapping) else {}
        shown = f"{within}.{name}" if within else name
        if given.get(name) is None:
            if option.get("required"):
                problems.append(f"missing required argument '{shown}'")
            continue
        kind = str(option.get("type", "str"))
        if kind not in _KINDS:
            near = nearest(kind, _KINDS)
            problems.append(f"'{shown}' is declared with the unknown type '{kind}'" + (f"; '{near}'?" if near else ""))
            continue
        problems += _wrong_value(shown, _KINDS[kind], given[name], option.get("choices"))
        elements = _KINDS.get(str(option.get("elements")))
        if elements is not None and isinstance(given[name], list):
            for number, item in enumerate(given[name]):
                problems += _wrong_value(f"{shown}[{number}]", elements, item, None)
        problems += _below(option, given[name], shown)
    return problems


def _wrong_value(shown: str, kind: str, value: Any, choices: Any) -> list[str]:
    if kind in ("str", "path"):
        value = str(value)  # as in Ansible, every value has a text
    parameter = Parameter(kind, choices=choices)
    return [f"argument {text}" for text in values({shown: parameter}, {shown: value})[1]]


def _below(option: Mapping[str, Any], value: Any, shown: str) -> list[str]:
    inner = option.get("options")
    if not isinstance(inner, Mapping):
        return []
    problems: list[str] = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            problems += wrong_arguments(inner, item, shown)
            problems += [f"'{shown}' has no '{key}'" for key in item if key not in inner]
    return problems
