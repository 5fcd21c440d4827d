"""Runs playbooks: everything is read and checked first, then machines are connected, then play after play is run."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kprov.provision.engine.controller_names import LOCAL, LOCAL_NAMES
from kprov.provision.engine.documents import Problem, RoleErrors
from kprov.provision.engine.engine import Engine
from kprov.provision.engine.play_plan import PlayPlan
from kprov.provision.engine.result import PhaseResult
from kprov.provision.engine.roles import Roles
from kprov.provision.engine.running.context import PhaseContext
from kprov.provision.engine.tasks import is_open
from kprov.provision.inventory import patterns
from kprov.provision.playbook.checks import Seen, look_at
from kprov.provision.playbook.needed_facts import reads_facts
from kprov.provision.playbook.planning import common_magic, plan_of
from kprov.provision.playbook.play import Play
from kprov.provision.playbook.play_connections import PlayConnections
from kprov.provision.playbook.play_pace import PlayPace
from kprov.provision.playbook.playbook import Playbook
from kprov.provision.playbook.reach import Reach
from kprov.provision.playbook.unsupported import obstacles
from kprov.provision.playbook.variable_files import read_for

if TYPE_CHECKING:
    from kprov.provision.inventory.model import Host, Inventory


@dataclass(frozen=True)
class Options:
    """What the command line says of a run of playbooks."""

    limit: frozenset[str] | None = None
    """The names of the hosts that the run is limited to."""
    limit_pattern: str = ""
    forks: int = 32
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    pace: PlayPace = field(default_factory=PlayPace)


@dataclass
class PlaybookRun:
    """A run of playbooks.

    Args:
        inventory: the hosts.
        book: the plays.
        roles: gives their roles.
        options: what the command line says.
    """

    inventory: Inventory
    book: Playbook
    roles: Roles
    options: Options = field(default_factory=Options)
    plays: list[Seen] = field(default_factory=list)

    # -- before anything is touched

    def check(self) -> None:
        """Read all that the plays name.

        Raises:
            RoleErrors: with everything that is wrong.
        """
        problems = list(self.book.problems)
        makes_groups = False
        for play in self.book.plays:
            seen = look_at(play, self.roles, problems)
            self.plays.append(seen)
            makes_groups = makes_groups or seen.groups
            if play.hosts and not makes_groups and not is_open(play.hosts):
                try:
                    self._match(play.hosts, self.inventory.members)
                except ValueError as error:
                    problems.append(Problem(play.file, play.line, f"hosts: {play.hosts}: {error}"))
        if problems:
            raise RoleErrors(sorted(set(problems), key=lambda problem: (problem.file, problem.line)))

    # -- hosts

    def _match(self, pattern: str, members: object) -> list[Host]:
        assert isinstance(members, dict)
        if pattern in LOCAL_NAMES and pattern not in self.inventory.hosts:
            return []
        return [self.inventory.hosts[name] for name in patterns.in_order(pattern, list(self.inventory.hosts), members)]

    def hosts_of(self, play: Play, engine: Engine | None = None) -> list[Host]:
        """A play's hosts, in its order, as far as the run is limited to them."""
        found = self._named(play, engine)
        if play.order in ("sorted", "reverse_sorted"):
            found.sort(key=lambda host: host.name)
        if play.order.startswith("reverse"):
            found.reverse()
        if play.order == "shuffle":
            random.shuffle(found)
        return found

    def _named(self, play: Play, engine: Engine | None) -> list[Host]:
        """The same in the order in which the play names them."""
        members = engine.variables.groups() if engine is not None else self.inventory.members
        try:
            found = self._match(play.hosts, members)
        except ValueError:
            return []
        limit = self.options.limit
        return [host for host in found if limit is None or host.name in limit]

    def is_local(self, play: Play) -> bool:
        """Whether the play is for the controller, which the inventory does not name."""
        return play.hosts in LOCAL_NAMES and play.hosts not in self.inventory.hosts and self.options.limit is None

    # -- the run

    def run(self, engine: Engine, tell: Callable[[str], None]) -> list[PhaseResult]:
        """Connect to all hosts at once, then run play after play.

        Args:
            engine: built with this run's roles.
            tell: told what a person should know.

        Raises:
            RoleErrors: a task would run that kprov cannot do; nothing was changed.
        """
        engine.run_context.become_by_keyword = True
        shared = {name for seen in self.plays for name in seen.shared_names}
        shared |= {"groups", "group_names"} if any(seen.groups for seen in self.plays) else set()
        engine.run_context.shared_names = frozenset(shared)
        facts = reads_facts(self.plays, self.inventory)
        connections = PlayConnections(
            engine, self.plays, lambda seen: self._taking(engine, seen.play), tell, facts=facts
        )
        everyone = connections.begin()
        magic = common_magic(
            forks=self.options.forks,
            tags=self.options.tags,
            skip_tags=self.options.skip_tags,
            limit=self.options.limit_pattern,
            inventory=str(self.inventory.path),
        )
        plans = [plan_of(seen, Reach(self.roles, []).pieces(seen.play), self.roles, magic) for seen in self.plays]
        self._refuse_obstacles(engine, plans)
        results: list[PhaseResult] = []
        for index, (seen, plan) in enumerate(zip(self.plays, plans, strict=True)):
            hosts = self._taking(engine, seen.play)
            if not hosts:
                tell(f"{seen.play.location}: no host for the play '{seen.play.name}' (hosts: {seen.play.hosts})")
                continue
            if not self.options.pace.begins(seen.play.name, hosts):
                continue
            connections.before(seen, hosts)
            self._prepare(engine, seen, plan, hosts, refresh=index > 0)
            plan = replace(plan, named=tuple(host.name for host in self._named(seen.play, engine)))
            results.append(engine.run_play(self.options.pace.of(plan), hosts))
            broken = results[-1].broken or self.options.pace.over(engine, everyone)
            if broken and index + 1 < len(plans):
                tell(f"the plays after '{seen.play.name}' are not begun: {broken}")
                break
        return results

    def _taking(self, engine: Engine, play: Play) -> list[str]:
        if self.is_local(play):
            return [LOCAL]
        return [host.name for host in self.hosts_of(play, engine)]

    def _refuse_obstacles(self, engine: Engine, plans: Sequence[PlayPlan]) -> None:
        certain: list[Problem] = []
        for seen, plan in zip(self.plays, plans, strict=True):
            names = self._taking(engine, seen.play)
            alive = [engine.session(name) for name in names if engine.session(name).state.state == "connected"]
            found = obstacles(engine, seen, plan, alive)
            certain += [problem for problem in found.certain if problem not in certain]
            for problem in found.possible:
                engine.warn(f"{problem}; a host that comes to it fails there")
        if certain:
            raise RoleErrors(certain)

    def _prepare(self, engine: Engine, seen: Seen, plan: PlayPlan, hosts: list[str], refresh: bool) -> None:
        """Fresh facts for a later play, and the variable files that each host names."""
        alive = [name for name in hosts if engine.session(name).state.takes_part]
        if refresh and seen.play.gather_facts:
            engine.module_all({name: ("setup", {"_quiet": True, "_check": False}) for name in alive})
        if not seen.play.vars_files:
            for name in alive:
                engine.session(name).play_variables = {}
            return
        context = PhaseContext(plan.variables, alive, frame=plan.frame, magic=plan.magic)
        problems: list[Problem] = []
        vault = getattr(self.inventory, "vault", None)
        for name in alive:
            session = engine.session(name)
            pieces = plan.sections[0].pieces
            scope = engine.variables.of_task(session, context, pieces[0].place, plan.frame, lambda host, name: None)
            session.play_variables = read_for(seen.play, scope, vault, problems)
        if problems:
            raise RoleErrors(problems)


def collections_paths(playbook: Path, configured: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Where collections are looked for: beside the playbook, then where the user says or `ansible-galaxy` puts them."""
    usual = (Path("~/.ansible/collections").expanduser(), Path("/usr/share/ansible/collections"))
    return (playbook.parent / "collections", *(configured or usual))


def roles_paths(
    playbook: Path, given: Sequence[Path] = (), imported: Sequence[Path] = (), configured: Sequence[Path] = ()
) -> tuple[Path, ...]:
    """Where a playbook's roles are looked for: beside it, then where Ansible keeps those that were installed.

    Args:
        playbook: the first one.
        given: what the command line says.
        imported: the folders of those that it imports.
        configured: what Ansible is told.
    """
    usual = [Path("~/.ansible/roles").expanduser(), Path("/usr/share/ansible/roles"), Path("/etc/ansible/roles")]
    beside = [folder / "roles" for folder in imported if folder != playbook.parent]
    return tuple(dict.fromkeys((*given, playbook.parent / "roles", *beside, *configured, *usual, playbook.parent)))
