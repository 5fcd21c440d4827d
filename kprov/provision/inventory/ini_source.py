"""Reads an inventory's INI file into the tree of groups.

Source: Ansible's inventory plugin ``ini``: sections ``[group]``, ``[group:children]`` and ``[group:vars]``; hosts
before any section are ungrouped; the values on a host's line and below ``:vars`` are Python literals where they look
like one, and text otherwise.
"""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from typing import Any

from kprov.provision.inventory import ranges
from kprov.provision.inventory.document import Located
from kprov.provision.inventory.groups import UNGROUPED, Tree
from kprov.provision.inventory.problems import Location, nearest
from kprov.provision.inventory.text_file import TextFile

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$")
_GROUP_NAME = re.compile(r"([^:\]\s]+)\s*(?:#.*)?$")
_KINDS = ("hosts", "children", "vars")
# A literal longer than this is text: Python's parser takes memory by the power of what it reads.
_LONGEST_LITERAL = 1_000_000

# Taking a line apart costs the square of its length.
_LONGEST_LINE = 65536


class IniSource:
    """Adds what an INI file says to a tree; what is wrong goes to the file's log."""

    def __init__(self, source: TextFile, tree: Tree) -> None:
        self.source = source
        self.log = source.log
        self.tree = tree
        self._group = UNGROUPED
        self._kind = "hosts"
        # Groups that were named but not declared: where, and what is said of them there.
        self._awaited: dict[str, tuple[Location, str]] = {}
        self._declared: set[str] = set()

    def read(self, text: str) -> None:
        """Read the whole text."""
        for number, line in enumerate(text.splitlines(), 1):
            content = line.strip()
            if content and content[0] not in "#;":
                self._read_line(content, Location(self.source.shown, number))
        known = [name for name in self.tree.groups if name not in self._awaited]
        for name, (location, what) in self._awaited.items():
            close = nearest(name, known)
            self.log.add(
                location,
                f"{what} {name}, which is defined nowhere",
                f"did you mean {close}?" if close else f"add [{name}]",
            )

    def _read_line(self, line: str, at: Location) -> None:
        section = _SECTION.match(line)
        if section:
            self._begin(section[1], section[2] or "hosts", at)
        elif line.startswith("[") and line.endswith("]"):
            self.log.add(
                at, f"{line} is no section's name", "write [group], [group:children] or [group:vars], without spaces"
            )
        elif self._kind == "hosts":
            self._read_host(line, at)
        elif self._kind == "vars":
            self._read_variable(line, at)
        elif self._kind == "children":
            self._read_child(line, at)

    def _begin(self, group: str, kind: str, at: Location) -> None:
        self._group, self._kind = group, kind
        if kind not in _KINDS:
            close = nearest(kind, _KINDS)
            hint = f"did you mean [{group}:{close}]?" if close else f"there are {', '.join(_KINDS)}"
            self.log.add(at, f"section [{group}:{kind}] is of an unknown kind", hint)
            return
        known = group in self.tree.groups
        self.tree.group(group, at)
        if kind == "vars":
            if not known:
                self._awaited.setdefault(group, (at, "has variables for the group"))
        else:
            self._awaited.pop(group, None)

    def _read_host(self, line: str, at: Location) -> None:
        if len(line) > _LONGEST_LINE:
            self.log.add(at, f"is longer than {_LONGEST_LINE} letters", "long values belong into host_vars/")
            return
        try:
            pattern, *words = shlex.split(line, comments=True)
        except ValueError as error:
            self.log.add(at, f"can't be read: {str(error).lower()}", "close the quotes, or escape them with \\")
            return
        if pattern == "---":
            self.log.add(at, "--- begins a YAML file, but this one is read as INI", "name it with the ending .yaml")
            return
        if pattern.endswith(":"):
            self.log.add(
                at,
                f"{pattern} ends in a colon, which belongs before a port",
                "a YAML file needs the ending .yaml; in INI take the colon out",
            )
            return
        variables: dict[str, Located] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or not name:
                self.log.add(at, f"{word!r} is not of the form name=value", 'text with spaces needs quotes: name="a b"')
                continue
            variables[name] = self._located(value, at)
        try:
            names, port = ranges.expand_hosts(pattern)
        except ValueError as error:
            self.log.add(at, f"host range {pattern}: {error}", "write it like cp[1:3] or cp[01:03]")
            return
        self.tree.add_hosts(names, self._group, at, variables, port)

    def _read_variable(self, line: str, at: Location) -> None:
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            self.log.add(at, f"{line!r} is not of the form name=value", "one variable a line")
            return
        self.tree.groups[self._group].variables[name.strip()] = self._located(value.strip(), at)

    def _read_child(self, line: str, at: Location) -> None:
        found = _GROUP_NAME.match(line)
        if not found:
            self.log.add(at, f"{line!r} is not the name of a group", "one group a line; variables belong below :vars")
            return
        child = found[1]
        if child not in self.tree.groups:
            self.tree.group(child, at)
            self._awaited[child] = (at, f"[{self._group}:children] names the group")
        self.tree.groups[self._group].children.setdefault(child, at)

    def _located(self, value: str, at: Location) -> Located:
        literal = parse_value(value)
        self.source.reveal(literal)
        return Located(literal, at, self.source.is_secret)


def parse_value(text: str) -> Any:
    """What a value stands for: a Python literal, else the text as it is, as Ansible has it."""
    if len(text) > _LONGEST_LITERAL:
        return text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _plain(value: Any) -> Any:
    """The literal with nothing in it that JSON does not know."""
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if value is ...:
        return "..."
    return str(value) if isinstance(value, complex) else value


def _plain_key(key: Any) -> Any:
    plain = _plain(key)
    return str(plain) if isinstance(plain, list) else plain
