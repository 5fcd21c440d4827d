"""Runs playbooks: everything is read and checked first, then machines are connected, then play after play is run."""

from __future__ import annotations

import os
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
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import is_open
from kprov.provision.inventory import patterns
from kprov.provision.playbook.checks import Seen, look_at
from kprov.provision.playbook.needed_facts import reads_facts
from kprov.provision.playbook.planning import common_magic, plan_of
from kprov.provision.playbook.play import Play
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
        self._one_user(problems)
        if problems:
            raise RoleErrors(sorted(set(problems), key=lambda problem: (problem.file, problem.line)))

    def _one_user(self, problems: list[Problem]) -> None:
        """A host is connected to once, so all plays on it must agree about how."""
        said: dict[str, tuple[Play, str | None, bool]] = {}
        for seen in self.plays:
            play = seen.play
            for host in self.hosts_of(play):
                before = said.setdefault(host.name, (play, play.remote_user, play.local))
                if before[1:] != (play.remote_user, play.local):
                    what = f"{host.name} is connected to once, and the play at {before[0].location} says it otherwise"
                    hint = "write remote_user and connection alike, or in the inventory"
                    problems.append(Problem(play.file, play.line, what, hint))
                    break

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
        sessions = self._sessions(engine)
        facts = reads_facts(self.plays, self.inventory)
        engine.connect([session.name for session in sessions], facts=facts)
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
            self._connect_newcomers(engine, seen, hosts, facts)
            self._prepare(engine, seen, plan, hosts, refresh=index > 0)
            plan = replace(plan, named=tuple(host.name for host in self._named(seen.play, engine)))
            results.append(engine.run_play(self.options.pace.of(plan), hosts))
            broken = results[-1].broken or self.options.pace.over(engine, [session.name for session in sessions])
            if broken and index + 1 < len(plans):
                tell(f"the plays after '{seen.play.name}' are not begun: {broken}")
                break
        return results

    def _sessions(self, engine: Engine) -> list[HostSession]:
        """Every host that a play is for, told how it is connected to."""
        found: dict[str, HostSession] = {}
        for seen in self.plays:
            play = seen.play
            names = [host.name for host in self.hosts_of(play)] + ([LOCAL] if self.is_local(play) else [])
            for name in names:
                session = engine.session(name)
                if name not in found:
                    found[name] = session
                    _first_play(session, seen)
                session.become = bool(session.become or seen.becomes or self._become_in_groups_made(seen))
        for session in found.values():
            if "ansible_become" in session.host.variables:
                session.become = None
        return list(found.values())

    def _become_in_groups_made(self, seen: Seen) -> bool:
        """Whether a play after one that makes groups may be for its hosts, too, and becomes another user."""
        return seen.groups and any(later.becomes for later in self.plays[self.plays.index(seen) + 1 :])

    def _connect_newcomers(self, engine: Engine, seen: Seen, hosts: list[str], facts: bool) -> None:
        """Hosts that a play before this one added to the inventory."""
        new = [engine.session(name) for name in hosts if engine.session(name).state.state == "new"]
        for session in new:
            _first_play(session, seen)
            rest = self.plays[self.plays.index(seen) :]
            mine = [other for other in rest if session.name in self._taking(engine, other.play)]
            session.become = any(other.becomes for other in mine)
            if "ansible_become" in session.host.variables:
                session.become = None
        if new:
            engine.connect([session.name for session in new], facts=facts)

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


def _first_play(session: HostSession, seen: Seen) -> None:
    """What the first play that is for a host says of how it is connected to, and when."""
    session.become = False
    bears_all = str(seen.play.frame.ignore_unreachable).lower() in ("true", "yes", "on")
    session.comes_later = bears_all or ((seen.waits or seen.bears) and not seen.play.gather_facts)
    _connect_as(session, seen.play)


def _connect_as(session: HostSession, play: Play) -> None:
    """What the play says of how its hosts are connected to; the inventory's word is stronger."""
    host = session.host
    if play.local and "ansible_connection" not in host.variables:
        session.host = replace(host, variables={**host.variables, "ansible_connection": "local"})
    elif play.remote_user is not None and "ansible_user" not in host.variables:
        session.host = replace(host, user=play.remote_user)


def collections_paths(playbook: Path) -> tuple[Path, ...]:
    """Where collections are looked for: beside the playbook, then where `ansible-galaxy` puts them."""
    told = os.environ.get("ANSIBLE_COLLECTIONS_PATH") or "~/.ansible/collections:/usr/share/ansible/collections"
    return (playbook.parent / "collections", *(Path(part).expanduser() for part in told.split(":") if part))


def roles_paths(playbook: Path, given: Sequence[Path] = (), imported: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Where a playbook's roles are looked for: beside it, then where Ansible keeps those that were installed.

    Args:
        playbook: the first one.
        given: what the command line says.
        imported: the folders of those that it imports.
    """
    told = [Path(part).expanduser() for part in os.environ.get("ANSIBLE_ROLES_PATH", "").split(":") if part]
    usual = [Path("~/.ansible/roles").expanduser(), Path("/usr/share/ansible/roles"), Path("/etc/ansible/roles")]
    beside = [folder / "roles" for folder in imported if folder != playbook.parent]
    return tuple(dict.fromkeys((*given, playbook.parent / "roles", *beside, *told, *usual, playbook.parent)))
