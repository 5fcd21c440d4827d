"""Reads YAML without losing where each thing stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from kprov.provision.documents import Unreadable, compose, construct
from kprov.provision.inventory.problems import Location
from kprov.provision.inventory.text_file import TextFile
from kprov.provision.vault import VaultError


class Located(NamedTuple):
    """A value and where it was written."""

    value: Any
    location: Location
    secret: bool = False
    """Whether it, or a part of it, came out of a vault."""


class Entry(NamedTuple):
    """One ``key: value`` of a mapping, the value not yet read."""

    key: str
    location: Location
    node: yaml.Node


class Document:
    """One YAML file as a tree of nodes; what can't be read is noted, never raised.

    Args:
        source: the file.
        text: its text, where it was read already.
    """

    def __init__(self, source: TextFile, text: str | None = None) -> None:
        text = source.text() if text is None else text
        self.source = source
        self.file = source.shown
        self.log = source.log
        self._flattener = yaml.constructor.SafeConstructor()
        self.root = self._compose(text)
        if self.root is not None:
            self._report_duplicate_keys(self.root)

    def _compose(self, text: str | None) -> yaml.Node | None:
        try:
            return None if text is None else compose(text)
        except Unreadable as error:
            self.log.add(Location(self.file, error.line), error.reason, error.suggestion)
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
                    self.log.doubt(
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
            self._flattener.flatten_mapping(node)
        except yaml.MarkedYAMLError as error:
            self.log.add(self.locate(node), f"{what}: {error.problem}")
            return
        found: dict[str, Entry] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                found[str(key.value)] = Entry(str(key.value), self.locate(key), value)
            else:
                self.log.add(self.locate(key), f"a key of {what} must be a single word")
        yield from found.values()

    def variable(self, entry: Entry) -> Located | None:
        """The value of an entry, None (and a problem) where it has none that can be read."""
        vault = self.source.vault
        opened: list[str] = []

        def open_vault(text: str) -> str:
            opened.append(text)
            try:
                return vault.open_value(text)
            except VaultError as error:
                raise Unreadable(f"{entry.key} {error.reason}", error.suggestion) from None

        try:
            value = construct(entry.node, open_vault)
        except Unreadable as error:
            self.log.add(Location(self.file, error.line), error.reason, error.suggestion)
            return None
        if self.source.is_secret:
            vault.reveal_all(value)
        return Located(value, entry.location, bool(opened) or self.source.is_secret)


def is_null(node: yaml.Node) -> bool:
    """Whether ``node`` is YAML's null (also an empty value)."""
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
