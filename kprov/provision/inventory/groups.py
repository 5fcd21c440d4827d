"""The tree of groups as it is written: who is in which, and which variables stand where."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kprov.provision.inventory.document import Located
from kprov.provision.inventory.problems import Location, ProblemLog

ALL = "all"
UNGROUPED = "ungrouped"
REQUIRED = ("etcd", "control_plane", "node")

Variables = dict[str, Located]

_WHOLE = re.compile(r"\s*[-+]?\d{1,9}\s*")


@dataclass(slots=True)
class Group:
    """One group: its own hosts and variables, and the groups below it."""

    name: str
    location: Location
    variables: Variables = field(default_factory=dict)
    # From group_vars/ beside the inventory, and from that beside the playbook.
    file_variables: Variables = field(default_factory=dict)
    playbook_variables: Variables = field(default_factory=dict)
    hosts: dict[str, Location] = field(default_factory=dict)
    children: dict[str, Location] = field(default_factory=dict)
    # Something in it was not understood, so that what is missing may be no mistake of its own.
    damaged: bool = False
    # Ansible's depth: how far below ``all``, by the longest way.
    depth: int = 0

    def every_place(self) -> tuple[Variables, Variables, Variables]:
        """Its variables by where they stand, weakest first."""
        return self.variables, self.file_variables, self.playbook_variables


class Tree:
    """All groups by name, and for each host the places where it has variables of its own.

    ``all`` and ``ungrouped`` are always there, as in Ansible.
    """

    def __init__(self, start: Location) -> None:
        self.groups: dict[str, Group] = {ALL: Group(ALL, start), UNGROUPED: Group(UNGROUPED, start)}
        self.groups[ALL].children[UNGROUPED] = start
        # host -> (group or kind of file, variables), weakest first
        self.host_variables: dict[str, list[tuple[str, Variables]]] = {}
        # host -> the file that named it first
        self.origins: dict[str, str] = {}
        self._members: dict[str, dict[str, Location]] = {}
        self._groups_of: dict[str, list[Group]] = {}

    def group(self, name: str, location: Location) -> Group:
        """The group ``name``, made now if there is none."""
        return self.groups.setdefault(name, Group(name, location))

    def add_hosts(
        self, names: Iterable[str], group: str, location: Location, variables: Mapping[str, Located], port: int | None
    ) -> None:
        """Put hosts into a group, with variables of their own."""
        for name in names:
            self.groups[group].hosts[name] = location
            known = name in self.host_variables
            own = self.host_variables.setdefault(name, [])
            self.origins.setdefault(name, location.file)
            if port is not None and not known:
                own.append((group, {"ansible_port": Located(port, location)}))
            if variables:
                own.append((group, dict(variables)))

    def finish(self, log: ProblemLog) -> None:
        """After everything was read: no rings, every group below ``all``, every host in a group; names and depths."""
        self._cut_rings(log)
        self._find_places()
        self._check_names(log)
        self._set_depths()
        self._members.clear()
        self._groups_of.clear()

    def members(self, name: str) -> dict[str, Location]:
        """The hosts of a group and of the groups below it, in Ansible's order: level by level, as written."""
        if name not in self._members:
            found: dict[str, Location] = {}
            seen = {name}
            waiting = deque([name])
            while waiting:
                group = self.groups[waiting.popleft()]
                for host, location in group.hosts.items():
                    found.setdefault(host, location)
                for child in group.children:
                    if child in self.groups and child not in seen:
                        seen.add(child)
                        waiting.append(child)
            self._members[name] = found
        return self._members[name]

    def groups_of(self, host: str) -> list[Group]:
        """The groups that ``host`` is in, directly or through a child, from the weakest to the strongest."""
        if not self._groups_of:
            for group in self.groups.values():
                for member in self.members(group.name):
                    self._groups_of.setdefault(member, []).append(group)
            everything = self.groups[ALL]
            for groups in self._groups_of.values():
                if everything not in groups:
                    groups.append(everything)
                groups.sort(key=lambda group: (group.depth, _priority(group), group.name))
        return self._groups_of.get(host, [])

    def _cut_rings(self, log: ProblemLog) -> None:
        """Depth first, without recursion: a chain of groups may be longer than Python's stack."""
        for group in self.groups.values():
            at = group.children.pop(ALL, None)
            if at is not None:
                log.add(at, f"all can't be a child of {group.name}: every group is in all", "take it out")
        done: set[str] = set()
        for start in list(self.groups):
            path: list[str] = []
            on_path: set[str] = set()
            waiting: list[tuple[str, Iterator[str]]] = []
            enter: str | None = start if start not in done else None
            while enter is not None or waiting:
                if enter is not None:
                    path.append(enter)
                    on_path.add(enter)
                    waiting.append((enter, iter(list(self.groups[enter].children))))
                    enter = None
                name, children = waiting[-1]
                child = next(children, None)
                if child is None:
                    waiting.pop()
                    on_path.discard(name)
                    done.add(path.pop())
                elif child in on_path:
                    ring = " > ".join([*path[path.index(child) :], child])
                    log.add(
                        self.groups[name].children.pop(child),
                        f"group {child} contains itself: {ring}",
                        f"take {child} out of the inner children",
                    )
                elif child in self.groups and child not in done:
                    enter = child

    def _find_places(self) -> None:
        everything, ungrouped = self.groups[ALL], self.groups[UNGROUPED]
        below = {child for group in self.groups.values() for child in group.children}
        for name, group in self.groups.items():
            if name != ALL and name not in below:
                everything.children[name] = group.location
        grouped = {host for group in self.groups.values() if group.name not in (ALL, UNGROUPED) for host in group.hosts}
        for host in list(ungrouped.hosts):
            if host in grouped:
                del ungrouped.hosts[host]
        for host, location in everything.hosts.items():
            if host not in grouped:
                ungrouped.hosts.setdefault(host, location)

    def _check_names(self, log: ProblemLog) -> None:
        for name, group in self.groups.items():
            if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                fixed = re.sub(r"\W|^(?=\d)", "_", name, flags=re.ASCII)
                log.doubt(
                    group.location,
                    f"group name {name!r} must be letters, digits and underscores",
                    f"did you mean {fixed}?",
                )
            priority = group.variables.get("ansible_group_priority")
            if priority is not None and isinstance(priority.value, str) and not _WHOLE.fullmatch(priority.value):
                log.add(
                    priority.location, f"ansible_group_priority of {name} must be a whole number", "write 1 or more"
                )
            if name in self.host_variables:
                at = next(group.hosts[name] for group in self.groups.values() if name in group.hosts)
                log.doubt(at, f"{name} is both a host and a group", "give one of them another name")

    def _set_depths(self) -> None:
        # Without rings no path is longer than the number of groups.
        waiting = deque([ALL])
        while waiting:
            group = self.groups[waiting.popleft()]
            for child in group.children:
                if child in self.groups and self.groups[child].depth < group.depth + 1:
                    self.groups[child].depth = group.depth + 1
                    waiting.append(child)


def _priority(group: Group) -> int:
    # Ansible reads it from the inventory alone, not from group_vars.
    value = group.variables.get("ansible_group_priority", Located(1, group.location)).value
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 1
