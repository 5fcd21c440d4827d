"""YAML that remembers its lines, so that every mistake can be pointed at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Problem:
    """One mistake in a role: where, what, and what to write instead."""

    file: str
    line: int
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" + (f"; {self.suggestion}" if self.suggestion else "")


class RoleErrors(Exception):
    """Everything that is wrong with the roles, found before anything was run.

    Args:
        problems: all of them.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Lines(dict[str, Any]):
    """A mapping that knows its line and its keys' lines."""

    line: int = 0
    key_lines: dict[str, int]


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Safe YAML; doubled keys are errors."""


def _mapping(loader: Any, node: yaml.MappingNode) -> Lines:
    loader.flatten_mapping(node)
    result = Lines()
    result.line = node.start_mark.line + 1
    result.key_lines = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a text", key_node.start_mark)
        if key in result:
            raise yaml.constructor.ConstructorError(None, None, f"key '{key}' appears twice", key_node.start_mark)
        result[key] = loader.construct_object(value_node, deep=True)
        result.key_lines[key] = key_node.start_mark.line + 1
    return result


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(path: Path, problems: list[Problem], shown: str = "") -> Any:
    """Read a YAML file; what is wrong with it goes to `problems`, under the name `shown`."""
    shown = shown or str(path)
    try:
        text = path.read_text()
    except OSError as error:
        problems.append(Problem(shown, 1, f"cannot be read: {error.strerror}"))
        return None
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line + 1) if error.problem_mark else 1
        hint = (
            "a value that starts with {{ needs quotes"
            if "{{" in (text.splitlines() or [""])[min(line, len(text.splitlines())) - 1]
            else ""
        )
        problems.append(Problem(shown, line, f"no valid YAML: {error.problem or error}", hint))
    except yaml.YAMLError as error:
        problems.append(Problem(shown, 1, f"no valid YAML: {error}"))
    return None


def plain(value: Any) -> Any:
    """The value as ordinary dictionaries and lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
