"""The layers of a host's variables, and what a task of it sees of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kprov.provision.engine.session import HostSession
from kprov.provision.engine.templating import OMIT, Scope, Templar

if TYPE_CHECKING:
    from kprov.provision.inventory.model import Inventory


class Variables:
    """Puts the layers of a host's variables together.

    Strongest first: loop, extra, registered, task, role's vars, phase, facts, inventory, magic, role defaults,
    Jinja's own.

    Args:
        inventory: hosts, groups, cluster.
        sessions: all hosts.
        diff: the run shows differences.
    """

    def __init__(self, inventory: Inventory, sessions: Mapping[str, HostSession], diff: bool) -> None:
        self._inventory = inventory
        self._sessions = sessions
        self._groups = {name: list(members) for name, members in inventory.members.items()}
        self._common: dict[str, Any] = {
            "groups": self._groups,
            "omit": OMIT,
            "cluster": inventory.cluster,
            "inventory_file": str(inventory.path),
            "inventory_dir": str(inventory.path.parent),
            "ansible_diff_mode": diff,
        }
        self._plain = Templar()

    def _magic(self, session: HostSession) -> dict[str, Any]:
        host = session.host
        return {
            **self._common,
            "inventory_hostname": host.name,
            "inventory_hostname_short": host.name.split(".")[0],
            "ansible_host": host.address,
            "ansible_port": host.port,
            "ansible_user": host.user,
            "node_address": getattr(host, "node_address", host.address),
            "ansible_check_mode": session.check,
            "group_names": [group for group in host.groups if group != "all"],
            "ansible_facts": session.short_facts,
            "hostvars": HostVariables(self),
        }

    def scope(
        self,
        session: HostSession,
        templar: Templar,
        *,
        loop: Mapping[str, Any],
        task: Mapping[str, Any],
        role: Mapping[str, Any],
        phase: Mapping[str, Any],
        defaults: Mapping[str, Any],
        magic: Mapping[str, Any],
    ) -> Scope:
        """What a task sees."""
        layers: list[tuple[Mapping[str, Any], bool]] = [
            (loop, False),
            (session.extra, True),
            (session.registered, False),
            (task, True),
            (role, True),
            (phase, True),
            (session.facts, False),
            (session.host.variables, True),
            (magic, False),
            (self._magic(session), False),
            (defaults, True),
            (templar.globals, False),
        ]
        return Scope(templar, [layer for layer in layers if layer[0]])

    def of_host(self, name: str) -> Scope:
        """What other hosts see of a host."""
        session = self._sessions[name]
        layers: list[tuple[Mapping[str, Any], bool]] = [
            (session.extra, True),
            (session.registered, False),
            (session.facts, False),
            (session.host.variables, True),
            (self._magic(session), False),
            (self._plain.globals, False),
        ]
        return Scope(self._plain, layers)

    def names(self) -> list[str]:
        """Every host."""
        return list(self._sessions)


class HostVariables(Mapping[str, Scope]):
    """`hostvars`: every host's variables, rendered when they are read."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> Scope:
        return self._variables.of_host(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables.names())

    def __len__(self) -> int:
        return len(self._variables.names())
