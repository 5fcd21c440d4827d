"""Runs an inventory that is a program, and reads what it prints into the tree of groups.

Source: Ansible's developer guide, "Developing dynamic inventory": ``--list`` prints JSON: groups with ``hosts``,
``vars`` and ``children``, and ``_meta`` with every host's variables. Programs that want to be asked for each host
(``--host``) are not run that often: they are refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kprov.provision import programs
from kprov.provision.inventory.document import Located
from kprov.provision.inventory.groups import ALL, Tree, Variables
from kprov.provision.inventory.problems import Location
from kprov.provision.inventory.text_file import TextFile

# Long enough to ask a cloud for its machines.
PATIENCE = 300.0
_LARGEST = 64 * 1024 * 1024


class ScriptSource:
    """Adds what a program says to a tree; what is wrong goes to its log."""

    def __init__(self, source: TextFile, tree: Tree) -> None:
        self.log = source.log
        self.path = source.path
        self.at = Location(source.shown)
        self.tree = tree
        self._named: set[str] = set()

    def read(self) -> None:
        """Run the program with ``--list`` and take what it prints."""
        printed = self._run()
        if printed is None:
            return
        try:
            content = json.loads(printed)
        except (ValueError, RecursionError) as error:
            self.log.add(self.at, f"this program printed no JSON when run with --list: {error}")
            return
        if not isinstance(content, dict):
            self.log.add(self.at, f"this program printed a {type(content).__name__}, not an object of groups")
            return
        meta = content.pop("_meta", None)
        if not isinstance(meta, dict) or not isinstance(meta.get("hostvars", {}), dict):
            self.log.add(
                self.at,
                "this program's output has no _meta, so that it would have to be run once for each host",
                'let it print _meta with hostvars; if no host has variables: {"_meta": {"hostvars": {}}}',
            )
            return
        for name, group in content.items():
            self._read_group(str(name), group)
        for host, variables in meta.get("hostvars", {}).items():
            # As in Ansible: a program has a say over its own hosts only, whatever other files know of others.
            if host in self._named and isinstance(variables, dict):
                self.tree.host_variables[host].append((ALL, self._located(variables)))

    def _run(self) -> bytes | None:
        try:
            done = programs.run([str(self.path.absolute()), "--list"], seconds=PATIENCE, most=_LARGEST)
        except programs.TookTooLong:
            self.log.add(self.at, f"this program did not end within {PATIENCE:.0f} s when run with --list")
            return None
        except programs.PrintedTooMuch:
            self.log.add(self.at, f"this program printed more than {_LARGEST >> 20} MiB: more than kprov can use")
            return None
        except OSError as error:
            self.log.add(self.at, f"this program can't be run: {error.strerror}", "if it is no program: chmod -x")
            return None
        if done.code:
            said = done.error_text.splitlines()[-1:]
            self.log.add(self.at, f"this program ended with code {done.code} when run with --list", *said)
            return None
        return done.output

    def _read_group(self, name: str, content: Any) -> None:
        group = self.tree.group(name, self.at)
        if isinstance(content, list):
            content = {"hosts": content}
        if not isinstance(content, dict):
            self.log.add(self.at, f"this program says of group {name} neither a list nor an object")
            return
        if not any(part in content for part in ("hosts", "vars", "children")):
            # The oldest form: the name is a host's, and what is below it are its variables.
            content = {"hosts": [name], "vars": content}
        hosts, children, variables = (content.get(part) for part in ("hosts", "children", "vars"))
        for part, found, kind in (("hosts", hosts, list), ("children", children, list), ("vars", variables, dict)):
            if found is not None and not isinstance(found, kind):
                self.log.add(self.at, f"this program says of group {name} {part} that are no {kind.__name__}")
                return
        names = [str(host) for host in hosts or ()]
        self._named.update(names)
        self.tree.add_hosts(names, name, self.at, {}, None)
        group.variables.update(self._located(variables or {}))
        for child in children or ():
            self.tree.group(str(child), self.at)
            group.children.setdefault(str(child), self.at)

    def _located(self, variables: dict[str, Any]) -> Variables:
        return {str(name): Located(value, self.at) for name, value in variables.items()}


def is_program(path: Path, begins: bytes) -> bool:
    """Whether a file is one to run: it says so in its first bytes and its mode."""
    return path.stat().st_mode & 0o111 != 0 and begins.startswith((b"#!", b"\x7fELF"))
