"""Reads an inventory's YAML file into the tree of groups.

Source: Ansible's inventory plugin ``yaml``: groups with ``hosts``, ``vars`` and ``children``.
"""

from __future__ import annotations

import re

import yaml

from kprov.provision.inventory import ranges
from kprov.provision.inventory.document import Document, Entry, is_null
from kprov.provision.inventory.groups import ALL, REQUIRED, Group, Tree, Variables
from kprov.provision.inventory.problems import Location, did_you_mean, nearest

_PARTS = ("hosts", "vars", "children")


class YamlSource:
    """Adds what a document says to a tree; what is wrong goes to the document's log."""

    def __init__(self, document: Document, tree: Tree) -> None:
        self.document = document
        self.log = document.log
        self.tree = tree
        self._bodies: set[str] = set()
        self._named: set[str] = set()

    def read(self) -> None:
        """Read the whole document."""
        root = self.document.root
        if root is None or is_null(root):
            if self.log.is_empty:
                self.log.doubt(Location(self.document.file, 1), "the inventory is empty", "begin it with `all:`")
            return
        everything = self.tree.groups[ALL]
        for entry in self.document.entries(root, "the inventory"):
            if entry.key == "plugin":
                self.log.add(
                    entry.location,
                    "is the configuration of a plugin that makes an inventory, which kprov can't run",
                    "save what it gives: ansible-inventory -i FILE --list --yaml --export > inventory.yaml",
                )
                return
            if entry.key != ALL:
                if entry.key in _PARTS:
                    everything.damaged = True
                    self.log.add(entry.location, f"{entry.key} stands outside of a group", "indent it below `all:`")
                    continue
                everything.children.setdefault(entry.key, entry.location)
                self._named.add(entry.key)
            elif everything.location.line == 1:
                everything.location = entry.location
            self._read_group(entry.key, entry.location, entry.node)
        self._check_children()

    def _read_group(self, name: str, location: Location, node: yaml.Node) -> None:
        group = self.tree.group(name, location)
        if not is_null(node):
            self._bodies.add(name)
        for entry in self.document.entries(node, f"group {name}"):
            match entry.key:
                case "vars":
                    group.variables.update(self._read_variables(entry.node, f"vars of group {name}"))
                case "hosts":
                    self._read_hosts(group, entry.node)
                case "children":
                    for child in self._names(entry.node, f"children of group {name}"):
                        group.children.setdefault(child.key, child.location)
                        self._named.add(child.key)
                        self._read_group(child.key, child.location, child.node)
                case other:
                    group.damaged = True
                    self.log.doubt(
                        entry.location, f"unknown key {other} in group {name}", self._hint_for_part(other, entry.node)
                    )

    def _hint_for_part(self, key: str, node: yaml.Node) -> str:
        close = nearest(key, _PARTS)
        if close:
            return f"did you mean {close}?"
        if isinstance(node, yaml.ScalarNode) and not is_null(node):
            return "a variable belongs below `vars:`"
        if isinstance(node, yaml.MappingNode) and any(
            isinstance(part, yaml.ScalarNode) and part.value in _PARTS for part, _ in node.value
        ):
            return "a group below a group belongs below `children:`"
        return did_you_mean(key, _PARTS)

    def _names(self, node: yaml.Node, what: str) -> list[Entry]:
        """The entries of a mapping; one word alone is taken for a mapping with that key, as Ansible does."""
        if isinstance(node, yaml.ScalarNode) and not is_null(node) and node.value and "\n" not in node.value:
            empty = yaml.ScalarNode("tag:yaml.org,2002:null", "", node.start_mark, node.end_mark)
            return [Entry(str(node.value), self.document.locate(node), empty)]
        return list(self.document.entries(node, what))

    def _read_variables(self, node: yaml.Node, what: str) -> Variables:
        read = {entry.key: self.document.variable(entry) for entry in self.document.entries(node, what)}
        return {name: found for name, found in read.items() if found is not None}

    def _read_hosts(self, group: Group, node: yaml.Node) -> None:
        here: dict[str, Entry] = {}
        for entry in self._names(node, f"hosts of group {group.name}"):
            try:
                names, port = ranges.expand_hosts(entry.key)
            except ValueError as error:
                self.log.add(entry.location, f"host range {entry.key}: {error}", "write it like cp[1:3] or cp[01:03]")
                continue
            for name in names:
                # The same key twice was reported by the document already.
                if name in here and here[name].key != entry.key:
                    self.log.doubt(
                        entry.location,
                        f"host {name} is listed twice in group {group.name} (also on line {here[name].location.line})",
                        "take it out of one of the two",
                    )
                here[name] = entry
            variables = self._read_variables(entry.node, f"host {entry.key}")
            self.tree.add_hosts(names, group.name, entry.location, variables, port)

    def _check_children(self) -> None:
        """A group that has a name but nothing in it was most likely defined under another name."""
        defined = {name for name in self._bodies if name != ALL}
        for group in list(self.tree.groups.values()):
            for child, location in group.children.items():
                if child in self._bodies or child in REQUIRED or child not in self._named:
                    continue
                close = nearest(child, defined - {group.name})
                self.log.doubt(
                    location,
                    f"group {child} is a child of {group.name} but is defined nowhere",
                    f"did you mean {close}?" if close else f"give {child} hosts or children, or take it out",
                )


def looks_like_yaml(text: str) -> bool:
    """Whether a text without a telling name is YAML rather than INI: its first line opens a document or a mapping."""
    for line in text.splitlines():
        content = line.strip()
        if content and not content.startswith(("#", ";")):
            return (
                content == "---" or content.startswith("{") or bool(re.match(r"""["']?[\w.-]+["']?\s*:(\s|$)""", line))
            )
    return False
