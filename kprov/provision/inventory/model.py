"""What an inventory is once it was read and found right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.provision.inventory import patterns
from kprov.provision.inventory.problems import Location, Problem, UnknownName, did_you_mean
from kprov.provision.inventory.settings import ClusterSettings
from kprov.provision.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine: how to reach it and every variable that holds for it."""

    name: str
    address: str
    """Where SSH connects to (``ansible_host``)."""
    node_address: str
    """The IPv4 address that the other machines of the cluster use."""
    port: int = 22
    user: str = "root"
    password: str | None = None
    become: bool = False
    become_user: str = "root"
    become_password: str | None = None
    private_key_file: Path | None = None
    jump_host: str | None = None
    host_key: str | None = None
    power_off_command: str | None = None
    power_on_command: str | None = None
    groups: tuple[str, ...]
    """Every group that it is in, ``all`` first, then from the outermost inwards."""
    variables: dict[str, Any]
    """All variables, the strongest value of each; with the cluster's settings and their defaults."""

    def __repr__(self) -> str:
        # Passwords and variables must never end up in a log by way of a traceback.
        return f"Host({self.name!r}, {self.address!r})"


@dataclass(frozen=True, slots=True)
class Layer:
    """One place that gave a variable a value."""

    kind: str
    """``default``, ``all``, ``group``, ``host`` or ``extra vars``."""
    group: str | None
    value: Any = field(repr=False)
    location: Location | None
    secret: bool = False
    """Whether the value, or a part of it, came out of a vault: it is never shown."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a variable's value comes from: all layers from the weakest to the strongest; the last one wins."""

    host: str
    variable: str
    layers: tuple[Layer, ...]

    @property
    def winner(self) -> Layer | None:
        """The layer whose value holds, or None when nothing sets the variable."""
        return self.layers[-1] if self.layers else None


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group for those who read: its children, and the hosts that are in it directly."""

    name: str
    children: tuple[str, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Added:
    """A host that was added: itself, its layers, and the groups as they are now."""

    host: Host
    layers: dict[str, tuple[Layer, ...]]
    members: dict[str, tuple[str, ...]]


Addition = Callable[[str, Sequence[str], Mapping[str, Any]], Added]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The machines, their groups and the cluster's settings."""

    path: Path
    cluster: ClusterSettings
    hosts: dict[str, Host]
    groups: dict[str, GroupView]
    members: dict[str, tuple[str, ...]]
    """group -> the names of all hosts in it and below it, in the inventory's order."""
    layers: dict[str, dict[str, tuple[Layer, ...]]] = field(repr=False)
    """host -> variable -> layers, weakest first."""
    is_cluster: bool = True
    """Whether it describes a cluster; a plain one holds whatever Ansible's may, and ``cluster`` is made of defaults."""
    warnings: tuple[Problem, ...] = ()
    """What is doubtful in a plain inventory, though Ansible takes it."""
    extra_vars: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the command line said; it is part of the hosts' variables, too."""
    vault: Vault = field(default_factory=Vault, repr=False)
    """Opened what was encrypted; opens what playbooks and roles bring."""
    addition: Addition | None = field(default=None, repr=False)
    """Takes a host in while a run is under way."""

    @property
    def secrets(self) -> frozenset[str]:
        """Every text that came out of the vault so far: it must be shown nowhere."""
        return self.vault.revealed

    def group(self, name: str) -> list[Host]:
        """The hosts of a group and of the groups below it. Raises UnknownName if there is none."""
        if name not in self.members:
            raise UnknownName(f"no group {name}: {did_you_mean(name, self.members)}")
        return [self.hosts[host] for host in self.members[name]]

    def host(self, name: str) -> Host:
        """A host by name. Raises UnknownName with the nearest name if there is none."""
        if name not in self.hosts:
            raise UnknownName(f"no host {name}: {did_you_mean(name, self.hosts)}")
        return self.hosts[name]

    def add(self, name: str, groups: Sequence[str], variables: Mapping[str, Any]) -> bool:
        """Take in a host, or new groups and variables of one; it gets what its groups give to their hosts.

        Returns: whether anything is new. Raises ValueError saying what is wrong with it.
        """
        if self.addition is None:
            raise ValueError("this inventory takes no more hosts")
        added = self.addition(name, groups, variables)
        before = self.hosts.get(name), {group: self.members.get(group) for group in added.members}
        self.hosts[name] = added.host
        self.members.update(added.members)
        self.layers[name] = added.layers
        return before != (added.host, added.members)

    def match(self, pattern: str, *, files: bool = False) -> list[Host]:
        """The hosts that an Ansible pattern names, in the inventory's order. Raises ValueError for a pattern amiss.

        Args: ``files`` lets the pattern name files of patterns (``@FILE``), as on the command line.
        """
        read_file = patterns.read_retry_file if files else None
        chosen = patterns.match(pattern, list(self.hosts), self.members, read_file=read_file)
        return [self.hosts[name] for name in self.hosts if name in chosen]

    def explain(self, host: str, variable: str) -> Explanation:
        """Every layer that set ``variable`` for ``host``. Raises UnknownName for a host that does not exist."""
        return Explanation(host, variable, self.layers[self.host(host).name].get(variable, ()))
