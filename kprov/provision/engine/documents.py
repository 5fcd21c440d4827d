"""YAML that remembers its lines, so that every mistake can be pointed at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kprov.provision.documents import Constructor, Unreadable, compose, construct, decode, read
from kprov.provision.vault import Vault, VaultError


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


class _Constructor(Constructor):
    """Mappings that know their lines; doubled keys are errors."""

    def construct_lines(self, node: yaml.MappingNode) -> Lines:
        self.flatten_mapping(node)
        result = Lines()
        result.line = node.start_mark.line + 1
        result.key_lines = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if isinstance(key, (dict, list)):
                raise Unreadable("a key must be a text", "write it in quotes", line)
            if key in result:
                raise Unreadable(f"key '{key}' appears twice", None, line)
            result[key] = self.construct_object(value_node, deep=True)
            result.key_lines[key] = line
        return result


def _construct_lines(constructor: Any, node: Any) -> Any:
    return constructor.construct_lines(node)


_Constructor.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_lines)


def load(path: Path, problems: list[Problem], shown: str = "", vault: Vault | None = None) -> Any:
    """Read a YAML file, all of which, or values of which, may be encrypted.

    Args:
        path: the file.
        problems: what is wrong with it goes there.
        shown: what problems call it.
        vault: opens what is encrypted.
    """
    shown = shown or str(path)
    text, sealed = "", False
    try:
        data = read(path)
        if vault is not None and vault.is_encrypted(data):
            data, sealed = vault.decrypt(data), True
        text = decode(data)
        node = compose(text)
        value = None if node is None else construct(node, vault.open_value if vault else None, _Constructor)
    except VaultError as error:
        problems.append(Problem(shown, 1, error.reason, error.suggestion or ""))
        return None
    except Unreadable as error:
        line = error.line or 1
        if sealed:
            problems.append(Problem(shown, line, "no valid YAML; more is not said, because the file is encrypted"))
            return None
        lines = text.splitlines()
        quotes = "a value that starts with {{ needs quotes" if "{{" in "".join(lines[line - 1 : line]) else ""
        problems.append(Problem(shown, line, error.reason, quotes or error.suggestion or ""))
        return None
    if sealed and vault is not None:
        vault.reveal_all(value)
    return value


def plain(value: Any) -> Any:
    """The value as ordinary dictionaries and lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
