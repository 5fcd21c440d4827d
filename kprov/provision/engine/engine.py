"""The engine: connects to machines, runs roles and modules on them, and keeps account of it."""

from __future__ import annotations

import contextlib
import os
import shlex
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kprov.provision.engine.account import Account
from kprov.provision.engine.batches import Serial
from kprov.provision.engine.calls import ModuleCalls
from kprov.provision.engine.connections import Connections
from kprov.provision.engine.controller_names import LOCAL
from kprov.provision.engine.errors import EngineError
from kprov.provision.engine.fact_cache import FactCache
from kprov.provision.engine.holder import this_run
from kprov.provision.engine.journal import Journal, new_run_id
from kprov.provision.engine.local_host import local_session
from kprov.provision.engine.machine_lock import MachineLocks
from kprov.provision.engine.pending_handlers import PENDING_NAME, PendingHandlers
from kprov.provision.engine.phase_recorder import PhaseRecorder
from kprov.provision.engine.play_phases import PlayPhases
from kprov.provision.engine.play_plan import PlayPlan
from kprov.provision.engine.rehearsal import Observer, left_alone, observed, rehearsal
from kprov.provision.engine.remembered_facts import RememberedFacts
from kprov.provision.engine.reporter import Reporter, SilentReporter
from kprov.provision.engine.result import HostState, HostSummary, PhaseResult, Result, Status
from kprov.provision.engine.role_phases import RolePhases
from kprov.provision.engine.roles import Roles
from kprov.provision.engine.run_end import RunEnd
from kprov.provision.engine.running.context import RunContext
from kprov.provision.engine.search_path import SearchPath
from kprov.provision.engine.secrets import Secrets
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.state_lock import StateLock
from kprov.provision.engine.templating import Templar
from kprov.provision.engine.variables import Variables
from kprov.provision.inventory.timeouts import Timeouts
from kprov.provision.inventory.values import duration_or_none
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.link import AgentLink

if TYPE_CHECKING:
    from kprov.provision.inventory.model import Host, Inventory


KEEP_CONNECTIONS = "KPROV_KEEP_CONNECTIONS"
"""The environment variable that says how long connections outlive a run, in place of what the inventory says."""


@dataclass(frozen=True)
class CommandResult:
    """A program's end on a machine."""

    rc: int
    stdout: str
    stderr: str


class Engine:
    """Runs roles and modules on an inventory's hosts. Use it as a context manager.

    Args:
        inventory: the hosts.
        reporter: told of everything.
        check: change nothing, say what would change.
        diff: say how.
        tags, skip_tags: which tasks.
        forks: hosts at a time.
        roles_path, templates_path: folders.
        roles: gives roles instead of `roles_path`.
        state_directory: journal, log and due handlers are kept there.
        accept_new_host_keys: take unknown hosts' keys and remember them.
        extra_vars: beat all other variables.
        lock: hold the lock of the state directory and of each machine; None: unless `check`.
        lock_path: the lock's file on machines.
        timeouts: how long to wait, for what; None: as the inventory says.
        command_line: what the locks and the journal say is running.
        keep_connections: seconds that connections are kept for the next run; None: as the inventory says.

    Raises:
        StateLocked: another run works with this state directory.
        StateLockError, JournalError: the state directory can't be written to.
    """

    def __init__(
        self,
        inventory: Inventory,
        *,
        reporter: Reporter | None = None,
        check: bool = False,
        diff: bool = False,
        tags: Iterable[str] = (),
        skip_tags: Iterable[str] = (),
        forks: int = 32,
        roles_path: Path = Path("roles"),
        roles: Roles | None = None,
        templates_path: Path = Path("templates"),
        state_directory: Path = Path(".kprov"),
        accept_new_host_keys: bool = False,
        extra_vars: Mapping[str, Any] | None = None,
        lock: bool | None = None,
        lock_path: str = "/run/kprov.lock",
        timeouts: Timeouts | None = None,
        command_line: str = "kprov",
        keep_connections: float | None = None,
    ) -> None:
        self.inventory = inventory
        kept_for = self._keep_connections(keep_connections)
        self.timeouts = timeouts or getattr(inventory.cluster, "kprov_timeouts", None) or Timeouts()
        self.check = check
        self.diff = diff
        self.templates_path = Path(templates_path)
        self.roles = roles if roles is not None else Roles(Path(roles_path), self.templates_path)
        self.state_directory = Path(state_directory)
        self.secrets = Secrets()
        self.run_id = new_run_id()
        extra = self._extra = dict(extra_vars or {})
        self._adding = threading.Lock()
        self._sessions = {
            name: HostSession(host, _extra_of(inventory, name, extra), check) for name, host in inventory.hosts.items()
        }
        of_all = _extra_of(inventory, next(iter(inventory.hosts)), extra) if inventory.hosts else extra
        self._sessions[LOCAL] = self._sessions.get(LOCAL) or local_session(of_all, check)
        self._know_secrets(extra)
        self.variables = Variables(inventory, self._sessions, diff)
        wanted = (not check) if lock is None else lock
        self._state_lock = StateLock(self.state_directory, this_run(self.run_id, command_line)) if wanted else None
        self.journal = self._open_journal()
        self.log_path = self.journal.log_path
        self.pending_handlers = PendingHandlers(self.state_directory / PENDING_NAME, remember=not check)
        self.account = Account(
            self.run_id,
            reporter if reporter is not None else SilentReporter(),
            self.journal,
            self.secrets,
            self._sessions,
            check=check,
            command_line=command_line,
            inventory=str(inventory.path),
        )
        cache = FactCache(
            self.state_directory / "facts",
            self.secrets,
            lambda name: f"{self._sessions[name].host.address}:{self._sessions[name].host.port}",
        )
        self._connections = Connections(
            self._sessions,
            self.account,
            MachineLocks(
                lock_path,
                self.run_id,
                command_line,
                self.warn,
                self.timeouts,
                shared=not getattr(inventory, "is_cluster", True),
            )
            if wanted
            else None,
            forks=forks,
            timeouts=self.timeouts,
            accept_new_host_keys=accept_new_host_keys,
            cache=cache,
            keep_connections=kept_for,
        )
        self._end = RunEnd(
            self._sessions,
            self._connections,
            self.account,
            self.pending_handlers,
            self._state_lock,
            self.state_directory,
            inventory,
        )
        oldest = getattr(inventory.cluster, "fact_caching_timeout", 86400.0)
        self._remembered = RememberedFacts(cache, oldest, self._connections.look)
        self.variables.remembered = self._remembered
        self._calls = ModuleCalls(
            self.account,
            self._connections,
            self.variables,
            Templar(SearchPath((Path(),), (self.templates_path,))),
            diff=diff,
            forks=forks,
            timeouts=self.timeouts,
        )
        self.run_context = RunContext(
            diff=diff,
            tags=frozenset(tags),
            skip_tags=frozenset(skip_tags),
            roles=self.roles,
            variables=self.variables,
            account=self.account,
            pending_handlers=self.pending_handlers,
            timeouts=self.timeouts,
            delegate=self._connections.delegation,
            renew=self._connections.renew,
            leave=self._connections.leave,
            add_host=self.add_host,
        )
        self._role_phases = RolePhases(self.run_context, self.account, self._connections, forks)
        self._play_phases = PlayPhases(self.run_context, self.account, self._connections, forks)

    def _keep_connections(self, given: float | None) -> float:
        if given is not None:
            return given
        setting: float = getattr(self.inventory.cluster, "kprov_keep_connections", 0.0)
        text = os.environ.get(KEEP_CONNECTIONS) or setting
        try:
            return duration_or_none(text)
        except ValueError as error:
            raise EngineError(f"the environment variable {KEEP_CONNECTIONS}: {error}") from None

    def _open_journal(self) -> Journal:
        try:
            return Journal(self.state_directory / "runs" / self.run_id, self.secrets)
        except BaseException:
            if self._state_lock is not None:
                self._state_lock.release()
            raise

    def _know_secrets(self, extra: Mapping[str, Any]) -> None:
        vault = getattr(self.inventory, "vault", None)
        if vault is not None:
            vault.on_reveal(self.secrets.add)
        for session in self._sessions.values():
            self.secrets.add_from(session.host.variables)
            self.secrets.add(getattr(session.host, "become_password", None))
            self.secrets.add(getattr(session.host, "password", None))
        self.secrets.add_from(extra)

    # -- its life

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """End all connections, which unlocks the machines, and the run.

        Args:
            error: what ended it, if it did not end by itself.

        Raises:
            JournalError: its end can't be written down; where there is an `error`, that one says more.
        """
        self._end.close(error)

    @property
    def retry_file(self) -> Path:
        """The names of the hosts that failed or were lost, one a line, once the run is over: for ``--limit @FILE``."""
        return self._end.retry_file

    # -- hosts

    def _session(self, host: Host | str) -> HostSession:
        name = host if isinstance(host, str) else host.name
        try:
            return self._sessions[name]
        except KeyError:
            raise EngineError(f"the inventory has no host '{name}'") from None

    def session(self, host: Host | str) -> HostSession:
        """What the run knows of a host; `localhost` is one even where no inventory names it.

        Raises:
            EngineError: there is no such host.
        """
        return self._session(host)

    def add_host(self, name: str, groups: Sequence[str] = (), variables: Mapping[str, Any] | None = None) -> bool:
        """Take a host into the inventory, or new groups and variables of one; plays that begin later may be for it.

        Returns:
            Whether anything is new.

        Raises:
            ValueError: it can't be; says why.
        """
        with self._adding:
            given = dict(variables or {})
            changed = self.inventory.add(name, groups, given)
            host = self.inventory.hosts[name]
            session = self._sessions.get(name)
            if session is None:
                self._sessions[name] = HostSession(host, self._extra, self.check)
            else:
                session.host = host
            self.secrets.add_from(given)
            self.variables.forget(name)
        return changed

    @property
    def state(self) -> dict[str, HostState]:
        """How it stands with every host."""
        return {name: self._sessions[name].state for name in self.inventory.hosts}

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """Facts of the hosts that were connected."""
        return {name: session.facts for name, session in self._sessions.items() if session.facts}

    def remembered_facts(self, hosts: Iterable[Host | str]) -> dict[str, Mapping[str, Any]]:
        """What earlier runs saw of hosts, by name, where it is known and not too old; nobody is asked."""
        names = [self._session(host).name for host in hosts]
        return {name: facts for name in names if (facts := self._remembered.known(name)) is not None}

    def alive(self, hosts: Iterable[Host | str] | None = None) -> list[Host]:
        """Those that are connected and did not fail, in the order given."""
        chosen = [self._session(host) for host in hosts] if hosts is not None else list(self._sessions.values())
        return [session.host for session in chosen if session.state.state == "connected"]

    def forgive(self, host: Host | str) -> None:
        """Let a failed host take part again."""
        session = self._session(host)
        if session.state.state == "failed" and session.link is not None:
            session.state = HostState("connected")

    def connect(self, hosts: Iterable[Host | str] | None = None, *, facts: bool = True) -> dict[str, HostState]:
        """Connect to hosts, all at once: start the agent, lock the machine, gather facts.

        Args:
            hosts: all of the inventory by default.
            facts: False where probably nobody reads any: they are then gathered when one is read.

        Returns:
            Each host's state; one that cannot be reached says why and what to do, and stops no other.
        """
        chosen = [self._session(host) for host in (hosts if hosts is not None else self.inventory.hosts)]
        self._connections.connect(chosen, facts=facts)
        return {session.name: session.state for session in chosen}

    def reconnect(self, host: Host | str) -> HostState:
        """Connect anew, after a restart of the machine."""
        session = self._session(host)
        self._connections.end([session])
        return self.connect([session.name])[session.name]

    def disconnect(self, hosts: Iterable[Host | str]) -> None:
        """End connections; the agents leave and unlock."""
        for host in hosts:
            session = self._session(host)
            self._connections.end([session])
            session.state = HostState("new", "disconnected")

    def leave(self, hosts: Iterable[Host | str]) -> None:
        """Leave connections to the next run, where that was asked for; the others end. The machines are unlocked."""
        sessions = [self._session(host) for host in hosts]
        self._connections.keep(sessions)
        self.disconnect([session.name for session in sessions])

    def connection(self, host: Host | str) -> AgentLink:
        """The host's agent.

        Raises:
            Unreachable: it is not connected.
        """
        session = self._session(host)
        if session.link is None:
            raise Unreachable(session.state.reason or f"{session.name} is not connected")
        return session.link

    # -- account

    def warn(self, message: str) -> None:
        """Tell the person something."""
        self.account.warn(message)

    def waiting(self, message: str) -> None:
        """Tell the person what is being waited for, and for how long."""
        self.account.waiting(message)

    @contextlib.contextmanager
    def phase(self, title: str, hosts: Sequence[Host | str]) -> Iterator[PhaseRecorder]:
        """A phase of module calls, reported like a role's."""
        with self.account.phase(title, [self._session(host).name for host in hosts]) as recorder:
            yield recorder

    def compares(self, host: Host | str) -> bool:
        """Whether nothing is changed on a machine now, only compared: in check mode, or because a plan says so."""
        return self.check or self._session(host).check

    @contextlib.contextmanager
    def rehearsal(self, observe: Observer) -> Iterator[None]:
        """Compare only, and forget it afterwards: `observe` is told of each result, the reporter of none."""
        check, self.check = self.check, True
        try:
            with rehearsal(self._sessions, self.account, observe):
                yield
        finally:
            self.check = check

    def left_alone(self, hosts: Iterable[Host | str]) -> contextlib.AbstractContextManager[None]:
        """Compare only on these machines, for as long as the block lasts: one that would have to be changed fails."""
        return left_alone([self._session(host) for host in hosts])

    def observed(self, observe: Observer) -> contextlib.AbstractContextManager[None]:
        """Have each result told to one more, for as long as the block lasts."""
        return observed(self.account, observe)

    def summary(self) -> dict[str, HostSummary]:
        """Every host that took part, in numbers."""
        return self.account.summary()

    @property
    def stats(self) -> dict[str, dict[str, Any]]:
        """What tasks kept for the end of the run (set_stats): by host, and below `_run` what belongs to none."""
        return self.account.stats.values

    def outcome(self) -> str:
        """ok, failed, unreachable or locked: the worst of all hosts."""
        return self.account.outcome()

    # -- roles

    def validate_roles(self, names: Iterable[str]) -> None:
        """Read and check roles, before anything is run.

        Raises:
            RoleErrors: with everything that is wrong.
        """
        self.roles.validate(list(names))

    def run_role(
        self,
        name: str,
        hosts: Sequence[Host | str],
        *,
        serial: Serial = None,
        variables: Mapping[str, Any] | None = None,
        title: str | None = None,
        stop_on_failure: bool | None = None,
        tags: Iterable[str] = (),
    ) -> PhaseResult:
        """Run a role on hosts, with the handlers that it wakes.

        Args:
            name: the role.
            hosts: where; those that are not connected or have failed are left out.
            serial: how many at a time (a number, "30%", or a list of these); None: all.
            variables: this phase's.
            title: the phase's; the role's name where None.
            stop_on_failure: with `serial`, no further batch after a failure (the default).
            tags: what all its tasks are tagged with, besides their own tags.

        Raises:
            RoleErrors: the role is wrong.
        """
        self.roles.get(name)
        return self._role_phases.run(
            name,
            [self._session(host) for host in hosts],
            serial=serial,
            variables=dict(variables or {}),
            title=title or name,
            stop_on_failure=stop_on_failure is not False,
            tags=frozenset(tags),
        )

    def run_play(self, plan: PlayPlan, hosts: Sequence[Host | str]) -> PhaseResult:
        """Run a play on hosts; those that are not connected or have failed are left out."""
        return self._play_phases.run(plan, [self._session(host) for host in hosts])

    # -- modules

    def module(self, host: Host | str, name: str, /, **arguments: Any) -> Result:
        """Run one module on one host.

        Arguments with a leading underscore are the engine's: _check, _title, _no_log, _timeout,
        _environment, _become_user, _quiet (journalled, not reported).

        Returns:
            Its result; a failure is one too (`raise_if_failed`).
        """
        return self._calls.on(self._session(host), [(name, arguments)])[0]

    def module_all(self, calls: Mapping[str, Any]) -> dict[str, Any]:
        """Run modules on many hosts at once.

        Args:
            calls: by host's name, one (module, arguments), or a list of them, which is sent without waiting in between
                and done in order to its end, whatever fails.

        Returns:
            By host's name a result, or a list of results.
        """
        wanted = {
            self._session(name): [given] if isinstance(given, tuple) else list(given) for name, given in calls.items()
        }
        results = {session.name: found for session, found in self._calls.on_all(wanted).items()}
        return {name: results[name][0] if isinstance(calls[name], tuple) else results[name] for name in calls}

    def shell(self, host: Host | str, command: str | Sequence[str], *, timeout: float | None = None) -> CommandResult:
        """Run a command to look at a machine (also in check mode); not reported.

        Raises:
            Unreachable: the host is not connected.
        """
        line = command if isinstance(command, str) else shlex.join(command)
        arguments = {"cmd": line} if timeout is None else {"cmd": line, "timeout": timeout}
        result = self.module(host, "shell", **arguments, _check=False, _quiet=True)
        if result.status is Status.UNREACHABLE:
            raise Unreachable(result.message)
        data = result.data
        return CommandResult(
            int(data.get("rc", 255)),
            str(data.get("stdout", "")),
            str(data.get("stderr") or ("" if "rc" in data else result.message)),
        )


def _extra_of(inventory: Inventory, host: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """A host's extra variables, those that the inventory was loaded with included."""
    layers = getattr(inventory, "layers", {}).get(host, {})
    values = inventory.hosts[host].variables
    given = {
        name: values[name]
        for name, found in layers.items()
        if found and found[-1].kind == "extra vars" and name in values
    }
    return {**given, **extra}
