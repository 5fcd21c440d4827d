"""The layers of a host's variables, and what a task of it sees of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kprov.provision.engine.remembered_facts import LazyFacts, RememberedFacts
from kprov.provision.engine.scope import OMIT, Renders, Scope, TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.templating import Templar

if TYPE_CHECKING:
    from kprov.provision.engine.running.context import PhaseContext
    from kprov.provision.engine.running.place import Place
    from kprov.provision.engine.tasks import Task
    from kprov.provision.inventory.model import Inventory

BeforeReading = Callable[[str, str], None]


class Variables:
    """Puts the layers of a host's variables together.

    Strongest first: loop, extra, variables of includes, parameters of roles, registered and set facts, include_vars,
    task, role's vars, play or phase, facts, inventory, magic, role defaults, Jinja's own.
    Source: Ansible's order of precedence.

    Args:
        inventory: hosts, groups, cluster.
        sessions: all hosts.
        diff: the run shows differences.
    """

    def __init__(self, inventory: Inventory, sessions: Mapping[str, HostSession], diff: bool) -> None:
        self._inventory = inventory
        self._sessions = sessions
        self._common: dict[str, Any] = {
            "omit": OMIT,
            "cluster": inventory.cluster,
            "inventory_file": str(inventory.path),
            "inventory_dir": str(inventory.path.parent),
            "ansible_diff_mode": diff,
        }
        self._fixed_of: dict[str, dict[str, Any]] = {}
        self._all_groups: dict[str, list[str]] = {}
        self._names_of_groups: dict[str, tuple[int, list[str]]] = {}
        self._joined = -1
        self._plain = Templar()
        self.remembered: RememberedFacts | None = None
        """Gives facts of machines that the run is not connected to."""

    def groups(self) -> dict[str, list[str]]:
        """The groups and their hosts, those that group_by made included."""
        joined = HostSession.joinings
        if self._joined == joined:  # asked for every task of every host: no look at each of them
            return self._all_groups
        found = {name: list(members) for name, members in list(self._inventory.members.items())}
        for session in list(self._sessions.values()):
            for group in session.more_groups:
                members = found.setdefault(group, [])
                if session.name not in members:
                    members.append(session.name)
        self._all_groups, self._joined = found, joined
        return found

    def forget(self, host: str) -> None:
        """The inventory says something new of a host, or of its groups."""
        self._fixed_of.pop(host, None)
        HostSession.joinings += 1

    def _fixed(self, session: HostSession) -> dict[str, Any]:
        """What is said of a host and does not change during a run."""
        fixed = self._fixed_of.get(session.name)
        if fixed is None:
            host = session.host
            fixed = self._fixed_of[session.name] = {
                **self._common,
                "inventory_hostname": host.name,
                "inventory_hostname_short": host.name.split(".")[0],
                "ansible_host": host.address,
                "ansible_port": host.port,
                "ansible_user": host.user,
                "ansible_connection": "ssh",
                "node_address": getattr(host, "node_address", host.address),
            }
        return fixed

    def _group_names(self, session: HostSession) -> list[str]:
        known = self._names_of_groups.get(session.name)
        if known is None or known[0] != HostSession.joinings:
            joined = HostSession.joinings
            names = sorted({group for group in session.host.groups if group != "all"} | set(session.more_groups))
            known = self._names_of_groups[session.name] = (joined, names)
        return [*known[1]]

    def _magic(self, session: HostSession, before_reading: BeforeReading | None = None) -> dict[str, Any]:
        return {
            **self._fixed(session),
            "ansible_check_mode": session.check,
            "groups": self.groups(),
            "group_names": self._group_names(session),
            "ansible_facts": self._facts(session, short=True),
            "hostvars": HostVariables(self, before_reading),
        }

    def _magic_for(self, session: HostSession, phase: PhaseContext, before_reading: BeforeReading) -> Mapping[str, Any]:
        magic = self._magic(session, before_reading)
        return Shared(magic, phase.hosts, before_reading) if phase.makes_groups else magic

    def of_task(
        self,
        session: HostSession,
        phase: PhaseContext,
        place: Place,
        task: Task,
        before_reading: BeforeReading,
    ) -> Scope:
        """What a task sees.

        Args:
            session: its host.
            phase: its play, or the phase of a procedure.
            place: where it stands.
            task: itself.
            before_reading: called with a host and a name before a variable of another host is read.
        """
        role = place.role
        layers: list[tuple[Mapping[str, Any], bool]] = [
            (place.loop, False),
            (session.extra, True),
            (place.include_params, True),
            (place.params, True),
            (session.registered, False),
            (session.included, True),
            (task.variables, True),
            (place.variables, True),
            (session.exposed_variables, True),
            (phase.exposed_variables, True),
            (session.play_variables, True),
            (phase.variables, True),
            (self._facts(session), False),
            (session.host.variables, True),
            (place.magic, False),
            (phase.magic, False),
            (self._magic_for(session, phase, before_reading), False),
            (place.defaults, True),
            (session.exposed_defaults, True),
            (phase.exposed_defaults, True),
            (role.templar.globals, False),
        ]
        return Scope(role.templar, [layer for layer in layers if layer[0]])

    def of_host(self, name: str, before_reading: BeforeReading | None = None) -> Scope:
        """What other hosts see of a host."""
        session = self._sessions[name]
        layers: list[tuple[Mapping[str, Any], bool]] = [
            (session.extra, True),
            (session.registered, False),
            (session.included, True),
            (self._facts(session), False),
            (session.host.variables, True),
            (self._magic(session, before_reading), False),
            (self._plain.globals, False),
        ]
        if before_reading is not None:
            return OtherHost(self._plain, layers, name, before_reading)
        return Scope(self._plain, layers)

    def _facts(self, session: HostSession, *, short: bool = False) -> Mapping[str, Any]:
        if self.remembered is None or session.facts or (session.link is not None and not session.facts_later):
            return session.short_facts if short else session.facts
        if session.name not in self._inventory.hosts:
            return {}
        return LazyFacts(session, self.remembered, short=short)

    def learn(self, session: HostSession, facts: Mapping[str, Any]) -> None:
        """A host has new facts, besides those that are gathered when one is read."""
        if self.remembered is not None and isinstance(self._facts(session), LazyFacts):
            self.remembered.learn(session)
        session.learn(facts)

    def names(self) -> list[str]:
        """Every host of the inventory."""
        return [name for name in list(self._sessions) if name in self._inventory.hosts]

    def session_of(self, name: str) -> HostSession:
        """A host, whatever a run does with it.

        Raises:
            TemplateProblem: there is none of that name.
        """
        try:
            return self._sessions[name]
        except KeyError:
            raise TemplateProblem(f"the inventory has no host '{name}'") from None

    def knows(self, name: str) -> bool:
        """Whether there is such a host, `localhost` that is nowhere written included."""
        return name in self._sessions


class Shared(Mapping[str, Any]):
    """Magic variables where tasks of the play make groups: who reads these waits for the hosts behind.

    Args:
        magic: them.
        hosts: those of the play.
        before_reading: called with each of them before the groups are read.
    """

    def __init__(self, magic: Mapping[str, Any], hosts: list[str], before_reading: BeforeReading) -> None:
        self._magic = magic
        self._hosts = hosts
        self._before_reading = before_reading

    def __getitem__(self, name: str) -> Any:
        if name == "groups":
            for host in self._hosts:
                self._before_reading(host, name)
        return self._magic[name]

    def __contains__(self, name: object) -> bool:
        return name in self._magic

    def __iter__(self) -> Iterator[str]:
        return iter(self._magic)

    def __len__(self) -> int:
        return len(self._magic)


class OtherHost(Scope):
    """Another host's variables.

    Args:
        templar, layers: as for Scope.
        host: its name.
        before_reading: called before a variable is read.
    """

    def __init__(
        self,
        templar: Renders,
        layers: list[tuple[Mapping[str, Any], bool]],
        host: str,
        before_reading: BeforeReading,
    ) -> None:
        super().__init__(templar, layers)
        self._host = host
        self._before_reading = before_reading

    def with_layer(self, variables: Mapping[str, Any], templates: bool = True) -> Scope:
        """The same with one more layer on top."""
        return OtherHost(self._templar, [(variables, templates), *self._layers], self._host, self._before_reading)

    def __getitem__(self, name: str) -> Any:
        self._before_reading(self._host, name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._before_reading(self._host, str(name))
        return super().__contains__(name)


class HostVariables(Mapping[str, Scope]):
    """`hostvars`: every host's variables, rendered when they are read."""

    def __init__(self, variables: Variables, before_reading: BeforeReading | None) -> None:
        self._variables = variables
        self._before_reading = before_reading

    def __getitem__(self, name: str) -> Scope:
        if not self._variables.knows(name):
            raise KeyError(name)
        return self._variables.of_host(name, self._before_reading)

    def __contains__(self, name: object) -> bool:
        return self._variables.knows(str(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables.names())

    def __len__(self) -> int:
        return len(self._variables.names())
