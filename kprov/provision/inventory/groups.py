"""The tree of groups as it is written: who is in which, and which variables stand where."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

from kprov.provision.inventory import ranges
from kprov.provision.inventory.document import UNREADABLE, Document, Entry, Located, is_null
from kprov.provision.inventory.problems import Location, did_you_mean, nearest

ALL = "all"
REQUIRED = ("etcd", "control_plane", "node")
_PARTS = ("hosts", "vars", "children")

Variables = dict[str, Located]


@dataclass(slots=True)
class Group:
    """One group: its own hosts and variables, and the groups below it."""

    name: str
    location: Location
    variables: Variables = field(default_factory=dict)
    # From group_vars/: stronger than what the inventory's own file says of the group.
    file_variables: Variables = field(default_factory=dict)
    hosts: dict[str, Location] = field(default_factory=dict)
    children: dict[str, Location] = field(default_factory=dict)
    # Something in it was not understood, so that what is missing may be no mistake of its own.
    damaged: bool = False
    # Ansible's depth: how far below ``all``, by the longest way.
    depth: int = 0


@dataclass(slots=True)
class Tree:
    """All groups by name, and for each host the places where it has variables of its own."""

    groups: dict[str, Group] = field(default_factory=dict)
    host_variables: dict[str, list[tuple[str, Variables]]] = field(default_factory=dict)

    def members(self, name: str, _above: frozenset[str] = frozenset()) -> dict[str, Location]:
        """The hosts of a group and of the groups below it, in the order written."""
        group = self.groups[name]
        found = dict(group.hosts)
        for child in group.children:
            if child in self.groups and child not in _above:
                for host, location in self.members(child, _above | {name}).items():
                    found.setdefault(host, location)
        return found


class TreeReader:
    """Builds a Tree from a document; what is wrong goes to the document's log."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.log = document.log
        self.tree = Tree()
        self._bodies: set[str] = set()

    def read(self) -> Tree:
        """Read the whole document. The tree has at least the group ``all``."""
        root = self.document.root
        start = Location(self.document.file, 1)
        everything = self.tree.groups.setdefault(ALL, Group(ALL, start))
        if root is None or is_null(root):
            if not self.log.problems:
                self.log.add(start, "the inventory is empty", "begin it with `all:`")
            return self.tree
        for entry in self.document.entries(root, "the inventory"):
            if entry.key != ALL:
                if entry.key in _PARTS:
                    everything.damaged = True
                    self.log.add(entry.location, f"{entry.key} stands outside of a group", "indent it below `all:`")
                    continue
                everything.children.setdefault(entry.key, entry.location)
            self._read_group(entry.key, entry.location, entry.node, ())
        self._check_children()
        self._check_names()
        self._set_depths()
        return self.tree

    def _read_group(self, name: str, location: Location, node: yaml.Node, above: tuple[str, ...]) -> None:
        if name in above:
            ring = " > ".join([*above[above.index(name) :], name])
            self.log.add(location, f"group {name} contains itself: {ring}", f"take {name} out of the inner children")
            return
        group = self.tree.groups.setdefault(name, Group(name, location))
        if not is_null(node):
            self._bodies.add(name)
        for entry in self.document.entries(node, f"group {name}"):
            match entry.key:
                case "vars":
                    group.variables.update(self._read_variables(entry.node, f"vars of group {name}"))
                case "hosts":
                    self._read_hosts(group, entry.node)
                case "children":
                    for child in self.document.entries(entry.node, f"children of group {name}"):
                        group.children.setdefault(child.key, child.location)
                        self._read_group(child.key, child.location, child.node, (*above, name))
                case other:
                    group.damaged = True
                    self.log.add(
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

    def _read_variables(self, node: yaml.Node, what: str) -> Variables:
        read = {
            entry.key: (self.document.value(entry.node), entry.location) for entry in self.document.entries(node, what)
        }
        return {name: Located(*found) for name, found in read.items() if found[0] is not UNREADABLE}

    def _read_hosts(self, group: Group, node: yaml.Node) -> None:
        here: dict[str, Entry] = {}
        for entry in self.document.entries(node, f"hosts of group {group.name}"):
            try:
                names = ranges.expand(entry.key)
            except ValueError as error:
                self.log.add(entry.location, f"host range {entry.key}: {error}", "write it like cp[1:3] or cp[01:03]")
                continue
            variables = self._read_variables(entry.node, f"host {entry.key}")
            for name in names:
                # The same key twice was reported by the document already.
                if name in here and here[name].key != entry.key:
                    self.log.add(
                        entry.location,
                        f"host {name} is listed twice in group {group.name} (also on line {here[name].location.line})",
                        "take it out of one of the two",
                    )
                here[name] = entry
                group.hosts[name] = entry.location
                layers = self.tree.host_variables.setdefault(name, [])
                if variables:
                    layers.append((group.name, variables))

    def _check_children(self) -> None:
        """A group that has a name but nothing in it was most likely defined under another name."""
        defined = {name for name in self._bodies if name != ALL}
        for group in list(self.tree.groups.values()):
            for child, location in group.children.items():
                if child in self._bodies or child in REQUIRED:
                    continue
                close = nearest(child, defined - {group.name})
                self.log.add(
                    location,
                    f"group {child} is a child of {group.name} but is defined nowhere",
                    f"did you mean {close}?" if close else f"give {child} hosts or children, or take it out",
                )

    def _check_names(self) -> None:
        for name, group in self.tree.groups.items():
            if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                fixed = re.sub(r"\W", "_", name, flags=re.ASCII)
                self.log.add(
                    group.location,
                    f"group name {name!r} must be letters, digits and underscores",
                    f"did you mean {fixed}?",
                )
            if name in self.tree.host_variables:
                self.log.add(
                    self._location_of_host(name), f"{name} is both a host and a group", "give one of them another name"
                )

    def _location_of_host(self, name: str) -> Location:
        return next(group.hosts[name] for group in self.tree.groups.values() if name in group.hosts)

    def _set_depths(self) -> None:
        # Cycles were reported; without them no path is longer than the number of groups.
        groups = self.tree.groups
        for _ in groups:
            moved = False
            for group in groups.values():
                for child in group.children:
                    if child in groups and groups[child].depth < group.depth + 1 <= len(groups):
                        groups[child].depth = group.depth + 1
                        moved = True
            if not moved:
                return
