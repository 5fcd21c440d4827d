"""Reads YAML without losing where each thing stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from kprov.provision.inventory.problems import Location, ProblemLog


class Located(NamedTuple):
    """A value and where it was written."""

    value: Any
    location: Location


class Entry(NamedTuple):
    """One ``key: value`` of a mapping, the value not yet read."""

    key: str
    location: Location
    node: yaml.Node


class Document:
    """One YAML file as a tree of nodes; what can't be read is noted, never raised."""

    def __init__(self, path: Path, log: ProblemLog, shown: str = "") -> None:
        # How problems name the file: as the user would.
        self.file = shown or str(path)
        self.log = log
        self._constructor = yaml.constructor.SafeConstructor()
        self.root = self._compose(path)
        if self.root is not None:
            self._report_duplicate_keys(self.root)

    def _compose(self, path: Path) -> yaml.Node | None:
        try:
            text = path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            self.log.add(Location(self.file), "no such file", "give the path of an inventory with -i")
            return None
        except IsADirectoryError:
            self.log.add(Location(self.file), "is a folder, not an inventory", "give the path of a YAML file")
            return None
        except UnicodeDecodeError as error:
            self.log.add(Location(self.file), f"is not UTF-8 text (byte {error.start})")
            return None
        except OSError as error:
            self.log.add(Location(self.file), f"can't be read: {error.strerror}")
            return None
        try:
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            if error.context_mark and "end of stream" in (error.problem or ""):
                mark = error.context_mark  # what was never closed is the mistake, not the end of the file
            line = mark.line + 1 if mark else None
            reason = error.problem or error.context or "can't be parsed"
            hint = "indent with spaces" if "\\t" in reason or "'\t'" in reason else None
            self.log.add(Location(self.file, line), f"not valid YAML: {reason}", hint)
        except yaml.YAMLError as error:
            self.log.add(Location(self.file), f"not valid YAML: {error}")
        return None

    def locate(self, node: yaml.Node) -> Location:
        """Where ``node`` begins."""
        return Location(self.file, node.start_mark.line + 1)

    def _report_duplicate_keys(self, root: yaml.Node) -> None:
        # Aliases make the tree a graph: each node is looked at once.
        seen: set[int] = set()
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                waiting.extend(node.value)
            elif isinstance(node, yaml.MappingNode):
                first_lines: dict[str, int] = {}
                for key, value in node.value:
                    waiting.append(value)
                    if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                        continue
                    if key.value not in first_lines:
                        first_lines[key.value] = key.start_mark.line + 1
                        continue
                    self.log.add(
                        self.locate(key),
                        f"{key.value} was already written on line {first_lines[key.value]}",
                        "keep one of the two: YAML would silently take the last",
                    )

    def entries(self, node: yaml.Node, what: str) -> Iterator[Entry]:
        """The entries of a mapping; nothing for ``null``; a problem naming ``what`` for anything else."""
        if is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            kind = "list" if isinstance(node, yaml.SequenceNode) else "single value"
            hint = "write each as `name:` with a colon, without a dash" if kind == "list" else None
            self.log.add(self.locate(node), f"{what} must be a mapping, not a {kind}", hint)
            return
        try:
            self._constructor.flatten_mapping(node)
        except yaml.MarkedYAMLError as error:
            self.log.add(self.locate(node), f"{what}: {error.problem}")
            return
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.log.add(self.locate(key), f"a key of {what} must be a single word")
                continue
            yield Entry(str(key.value), self.locate(key), value)

    def value(self, node: yaml.Node) -> Any:
        """The plain Python value of ``node``; UNREADABLE (and a problem) where it has none."""
        try:
            # A constructor remembers half-built nodes after an error, so each value gets a fresh one.
            return yaml.constructor.SafeConstructor().construct_document(node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = Location(self.file, mark.line + 1) if mark else self.locate(node)
            hint = (
                "keep secrets out of the inventory: give them with --extra-vars @file"
                if "!vault" in str(error)
                else None
            )
            self.log.add(where, f"can't be read: {error.problem}", hint)
        except ValueError as error:
            self.log.add(self.locate(node), f"can't be read: {error}")
        return UNREADABLE


# Stands for a value that could not be read; the problem was noted.
UNREADABLE = object()


def is_null(node: yaml.Node) -> bool:
    """Whether ``node`` is YAML's null (also an empty value)."""
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
