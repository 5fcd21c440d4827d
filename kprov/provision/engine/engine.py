"""The engine: connects to machines, runs roles and modules on them, and keeps account of it."""

from __future__ import annotations

import contextlib
import os
import secrets as random_secrets
import shlex
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kprov.provision.engine import actions, pool
from kprov.provision.engine.journal import Journal
from kprov.provision.engine.pending_handlers import PendingHandlers
from kprov.provision.engine.phase_recorder import PhaseRecorder
from kprov.provision.engine.reporter import Reporter, SilentReporter
from kprov.provision.engine.result import HostState, HostSummary, PhaseResult, Result, Status
from kprov.provision.engine.roles import Roles
from kprov.provision.engine.runner import HostRunner, PhaseContext, Stopped
from kprov.provision.engine.secrets import CENSORED, Secrets
from kprov.provision.engine.session import HostSession, Variables
from kprov.provision.engine.tasks import own_name
from kprov.provision.engine.templating import OMIT, Templar, TemplateProblem
from kprov.provision.transport.connect import connect as open_link
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import target_of

if TYPE_CHECKING:
    from kprov.provision.inventory.model import Host, Inventory

HEARTBEAT = 10.0

# How long a lock is waited for: until an agent notices that its controller is gone, and until what it lets finish ends.
_NOTICING_SECONDS = 2.0
_LEAVING_SECONDS = 300.0

# They only look. Where a procedure asks for them, an answer like "there is no such file" is no failure of the run.
PROBES = frozenset({"stat", "slurp", "find", "getent", "ping", "setup", "package_facts", "service_facts"})

Call = tuple[str, Mapping[str, Any]]


class EngineError(Exception):
    """The engine was asked for something that cannot be."""


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
        state_directory: journal, log and due handlers are kept there.
        accept_new_host_keys: take unknown hosts' keys and remember them.
        extra_vars: beat all other variables.
        lock: hold each machine's lock; None: unless `check`.
        lock_path: the lock's file on machines.
        connect_timeout: seconds for a connection to come about.
        command_line: what the lock and the journal say is running.
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
        templates_path: Path = Path("templates"),
        state_directory: Path = Path(".kprov"),
        accept_new_host_keys: bool = False,
        extra_vars: Mapping[str, Any] | None = None,
        lock: bool | None = None,
        lock_path: str = "/run/kprov.lock",
        connect_timeout: float = 10.0,
        command_line: str = "kprov",
    ) -> None:
        self.inventory = inventory
        self.reporter: Reporter = reporter if reporter is not None else SilentReporter()
        self.check = check
        self.diff = diff
        self.tags = frozenset(tags)
        self.skip_tags = frozenset(skip_tags)
        self.forks = forks
        self.templates_path = Path(templates_path)
        self.roles = Roles(Path(roles_path), self.templates_path)
        self.state_directory = Path(state_directory)
        self.accept_new_host_keys = accept_new_host_keys
        self.secrets = Secrets()
        self.run_id = time.strftime("%Y%m%dT%H%M%S") + "-" + random_secrets.token_hex(3)
        self._lock_wanted = (not check) if lock is None else lock
        self._lock_path = lock_path
        self._connect_timeout = connect_timeout
        self._command_line = command_line
        self._extra = dict(extra_vars or {})
        self._sessions = {name: HostSession(host, self._extra_of(name)) for name, host in inventory.hosts.items()}
        for session in self._sessions.values():
            self.secrets.add_from(session.host.variables)
            self.secrets.add(getattr(session.host, "become_password", None))
            self.secrets.add(getattr(session.host, "password", None))
        self.secrets.add_from(self._extra)
        self.variables = Variables(inventory, self._sessions, check, diff)
        self.journal = Journal(self.state_directory / "runs" / self.run_id, self.secrets)
        self.log_path = self.journal.log_path
        self.pending_handlers = PendingHandlers(self.state_directory / "pending_handlers.jsonl", remember=not check)
        self._templar = Templar([self.templates_path])
        self._report_lock = threading.RLock()
        self._recorder: PhaseRecorder | None = None
        self._closing = threading.Event()
        self._heart: threading.Thread | None = None
        self._announced = False

    def _extra_of(self, host: str) -> dict[str, Any]:
        """Extra variables, those that the inventory was loaded with included."""
        layers = getattr(self.inventory, "layers", {}).get(host, {})
        values = self.inventory.hosts[host].variables
        given = {
            name: values[name]
            for name, found in layers.items()
            if found and found[-1].kind == "extra vars" and name in values
        }
        return {**given, **self._extra}

    # -- its life

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(interrupted=kind is not None and issubclass(kind, KeyboardInterrupt), error=error)

    def close(self, interrupted: bool = False, error: BaseException | None = None) -> None:
        """End all connections and the run."""
        if self._closing.is_set():
            return
        self._closing.set()
        summary = self.summary()
        self.journal.write(
            "run_finished",
            outcome="interrupted" if interrupted else self.outcome(),
            error=f"{type(error).__name__}: {error}" if error else None,
            hosts={name: vars(count) for name, count in summary.items()},
        )
        self._disconnect(self._sessions.values())
        self.pending_handlers.close()
        if self._announced:
            with self._report_lock:
                self.reporter.run_finished(summary)
        self.journal.close()

    def _disconnect(self, sessions: Iterable[HostSession]) -> None:
        links = []
        for session in sessions:
            if session.link is not None:
                links.append(session.link)
                session.link = None
        for link in links:
            with contextlib.suppress(OSError, EOFError):
                link.close()

    def _beat(self) -> None:
        """Thread: agents end themselves when their controller falls silent; say now and then that it is there."""
        while not self._closing.wait(HEARTBEAT):
            for session in list(self._sessions.values()):
                link = session.link
                if link is not None:
                    link.alive()

    def _interrupted(self) -> None:
        self.journal.write("interrupted")
        self.journal.sync()
        self._disconnect(self._sessions.values())

    # -- hosts

    def _session(self, host: Host | str) -> HostSession:
        name = host if isinstance(host, str) else host.name
        try:
            return self._sessions[name]
        except KeyError:
            raise EngineError(f"the inventory has no host '{name}'") from None

    @property
    def state(self) -> dict[str, HostState]:
        """How it stands with every host."""
        return {name: session.state for name, session in self._sessions.items()}

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """Facts of the hosts that were connected."""
        return {name: session.facts for name, session in self._sessions.items() if session.facts}

    def alive(self, hosts: Iterable[Host | str] | None = None) -> list[Host]:
        """Those that are connected and did not fail, in the order given."""
        chosen = [self._session(host) for host in hosts] if hosts is not None else list(self._sessions.values())
        return [session.host for session in chosen if session.state.state == "connected"]

    def forgive(self, host: Host | str) -> None:
        """Let a failed host take part again."""
        session = self._session(host)
        if session.state.state == "failed" and session.link is not None:
            session.state = HostState("connected")

    def connect(self, hosts: Iterable[Host | str] | None = None) -> dict[str, HostState]:
        """Connect to hosts, all at once: start the agent, lock the machine, gather facts.

        Returns:
            Each host's state; one that cannot be reached says why and what to do, and stops no other.
        """
        chosen = [self._session(host) for host in (hosts if hosts is not None else self._sessions)]
        if not self._announced:
            self._announced = True
            names = [session.name for session in chosen]
            self.journal.write(
                "run_started", command=self._command_line, hosts=names, check=self.check, pid=os.getpid()
            )
            with self._report_lock:
                self.reporter.run_started(self.run_id, names, self.check)
        if self._heart is None:
            self._heart = threading.Thread(target=self._beat, name="kprov-heartbeat", daemon=True)
            self._heart.start()
        pool.each(chosen, self._connect, self.forks, self._interrupted)
        return {session.name: session.state for session in chosen}

    def reconnect(self, host: Host | str) -> HostState:
        """Connect anew, after a restart of the machine."""
        session = self._session(host)
        self._disconnect([session])
        return self.connect([session.name])[session.name]

    def disconnect(self, hosts: Iterable[Host | str]) -> None:
        """End connections; the agents leave and unlock."""
        for host in hosts:
            session = self._session(host)
            self._disconnect([session])
            session.state = HostState("new", "disconnected")

    def _connect(self, session: HostSession) -> None:
        if session.link is not None:
            return
        try:
            target = target_of(session.host, self._connect_timeout, self._sessions_hosts())
            session.link = open_link(target, accept_new=self.accept_new_host_keys, warn=self.warn)
            session.state = self._take(session, session.link)
        except Unreachable as error:
            self._disconnect([session])
            session.state = HostState("unreachable", error.message)
        except Exception as error:  # one host's surprise must not stop the others
            self._disconnect([session])
            session.state = HostState("unreachable", f"{type(error).__name__}: {error}")
        session.summary.unreachable = session.state.state == "unreachable"
        session.summary.reason = session.state.reason
        self.journal.write("host_state", host=session.name, state=session.state.state, reason=session.state.reason)
        with self._report_lock:
            self.reporter.host_state(session.name, session.state.state, self.secrets.mask(session.state.reason))

    def _wait_for_leaver(
        self, session: HostSession, link: AgentLink, answer: dict[str, Any], holder: dict[str, Any]
    ) -> dict[str, Any]:
        """A run that was cut off may still let dpkg finish: its lock is waited for, not complained of.

        The agent notices within moments that its controller is gone, so one that does not say so is asked again.
        """
        begun, told = time.monotonic(), False
        while not answer.get("locked") and not answer.get("failed"):
            other = answer.get("holder") or {}
            waited = time.monotonic() - begun
            leaving = bool(other.get("leaving")) or not other
            if other.get("run") == self.run_id or waited > (_LEAVING_SECONDS if leaving else _NOTICING_SECONDS):
                break
            if leaving and not told and waited > 1:
                told = True
                self.warn(f"{session.name}: waits for what an interrupted run must finish there ({_run_of(other)})")
            time.sleep(0.2)
            answer = link.wait(link.post("lock", path=self._lock_path, holder=holder), 60)["result"]
        return answer

    def _sessions_hosts(self) -> dict[str, Any]:
        return {name: session.host for name, session in self._sessions.items()}

    def _take(self, session: HostSession, link: AgentLink) -> HostState:
        """Lock and facts, in one round trip."""
        locking: int | None = None
        if self._lock_wanted:
            user = os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid())
            holder = {
                "who": f"{user}@{socket.gethostname()}",
                "run": self.run_id,
                "command": self._command_line,
                "controller_pid": os.getpid(),
            }
            locking = link.post("lock", path=self._lock_path, holder=holder)
        before = time.time()
        gathering = link.post("task", module="setup", arguments={}, queue=0, go_on=True)
        if locking is not None:
            first = link.wait(locking, 60)["result"]
            answer = self._wait_for_leaver(session, link, first, holder)
            if answer is not first:  # what was gathered meanwhile is old
                link.wait(gathering, 60)
                before = time.time()
                gathering = link.post("task", module="setup", arguments={}, queue=0, go_on=True)
            if not answer.get("locked"):
                if answer.get("failed"):
                    raise Unreachable(f"its lock {self._lock_path} could not be taken: {answer.get('msg')}")
                holder = answer.get("holder") or {}
                if holder.get("run") == self.run_id:
                    raise Unreachable(
                        "is the same machine as another one of this inventory: correct ansible_host of one of them"
                    )
                self._disconnect([session])
                return HostState("locked", _locked_by(holder))
        result = link.wait(gathering, 60)["result"]
        if result.get("failed"):
            raise Unreachable(f"its facts could not be gathered: {result.get('msg')}")
        facts = result["ansible_facts"]
        facts["kprov_clock_offset_ms"] = round((facts["kprov_time"] - (before + time.time()) / 2) * 1000)
        session.learn(facts)
        return HostState("connected")

    # -- telling

    def warn(self, message: str) -> None:
        """Tell the person something."""
        text = self.secrets.mask(message)
        self.journal.write("warning", message=text)
        with self._report_lock:
            self.reporter.warning(text)

    def report(self, session: HostSession, role: str, result: Result) -> None:
        """Tell reporter, journal, log, summary and phase of a result."""
        self._report(session.name, role, result)

    def _report(self, host: str, role: str, result: Result) -> None:
        result.message = self.secrets.mask(result.message)
        result.diff = self.secrets.mask(result.diff)
        self.journal.write(
            "task",
            host=host,
            role=role,
            task=result.task,
            status=result.status,
            message=result.message,
            seconds=result.duration,
            where=result.location or None,
        )
        if result.status is not Status.OK:
            where = f" ({result.location})" if result.failed and result.location else ""
            self.journal.log(
                f"{result.status:<9} {host} {role}: {result.task}{where}"
                + (f": {result.message}" if result.message else "")
            )
        with self._report_lock:
            self._sessions[host].summary.count(result.status)
            if self._recorder is not None:
                self._recorder.add(result)
            self.reporter.task_result(
                host, role, self.secrets.mask(result.task), result.status, result.diff, result.message, result.duration
            )

    def report_sent(self, session: HostSession, role: str, task: str) -> None:
        """Tell that a task is on its way."""
        self.journal.write("sent", host=session.name, role=role, task=task)
        with self._report_lock:
            self.reporter.task_started(session.name, role, self.secrets.mask(task))

    def _begin(self, title: str, hosts: list[str]) -> PhaseRecorder:
        self.journal.write("phase_started", title=title, hosts=hosts)
        self.journal.log(f"phase     {title}: {', '.join(hosts)}")
        recorder = PhaseRecorder(title, hosts, self._report)
        with self._report_lock:
            self._recorder = recorder
            self.reporter.phase_started(title, hosts)
        return recorder

    def _end(self, recorder: PhaseRecorder) -> PhaseResult:
        result = recorder.finish()
        with self._report_lock:
            self._recorder = None
            self.reporter.phase_finished(result)
        self.journal.write("phase_finished", title=result.title, seconds=result.duration, failed=list(result.failed))
        return result

    @contextlib.contextmanager
    def phase(self, title: str, hosts: Sequence[Host | str]) -> Iterator[PhaseRecorder]:
        """A phase of module calls, reported like a role's."""
        recorder = self._begin(title, [self._session(host).name for host in hosts])
        try:
            yield recorder
        finally:
            self._end(recorder)

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
        serial: int | str | None = None,
        variables: Mapping[str, Any] | None = None,
        title: str | None = None,
        stop_on_failure: bool | None = None,
    ) -> PhaseResult:
        """Run a role on hosts, with the handlers that it wakes.

        Args:
            name: the role.
            hosts: where; those that are not connected or have failed are left out.
            serial: how many at a time (a number or "30%"); None: all.
            variables: this phase's.
            title: the phase's; the role's name where None.
            stop_on_failure: with `serial`, no further batch after a failure (the default).

        Raises:
            RoleErrors: the role is wrong.
        """
        self.roles.get(name)
        sessions = [self._session(host) for host in hosts]
        taking = [session for session in sessions if session.state.state == "connected"]
        recorder = self._begin(title or name, [session.name for session in taking])
        for session in sessions:
            if session not in taking:
                recorder.result.left_out[session.name] = session.state.reason or session.state.state
        context = PhaseContext(dict(variables or {}), [session.name for session in taking])
        self.secrets.add_from(context.variables)
        before = {session.name: session.link.round_trips for session in taking if session.link is not None}
        try:
            size = _batch_size(serial, len(taking))
            for start in range(0, len(taking), size):
                batch = taking[start : start + size]
                pool.each(batch, lambda session: self._run_on(session, name, context), self.forks, self._interrupted)
                rest = taking[start + size :]
                if rest and serial is not None and stop_on_failure is not False and recorder.result.failed:
                    for session in rest:
                        recorder.result.left_out[session.name] = (
                            f"not begun, because {', '.join(recorder.result.failed)} failed"
                        )
                    break
        finally:
            trips = [
                session.link.round_trips - before[session.name]
                for session in taking
                if session.link is not None and session.name in before
            ]
            recorder.result.round_trips = max(trips, default=0)
            result = self._end(recorder)
        return result

    def _run_on(self, session: HostSession, role: str, context: PhaseContext) -> None:
        if self._closing.is_set() or session.link is None:
            return
        try:
            HostRunner(self, session, context).run(role)
        except Stopped as stopped:
            session.state = HostState("failed", f"{role}: {stopped.result.task}: {stopped.result.message}")
            self.journal.sync()
        except Unreachable as error:
            self._lost(session, role, error)

    def _lost(self, session: HostSession, where: str, error: Unreachable) -> Result:
        """A connection ended within the run."""
        self._disconnect([session])
        session.state = HostState("unreachable", error.message)
        session.summary.unreachable = True
        session.summary.reason = error.message
        result = Result(session.name, "Connection", Status.UNREACHABLE, error.message)
        self._report(session.name, where, result)
        self.journal.sync()
        return result

    # -- modules

    def module(self, host: Host | str, name: str, /, **arguments: Any) -> Result:
        """Run one module on one host.

        Arguments with a leading underscore are the engine's: _check, _title, _no_log, _timeout,
        _environment, _become_user, _quiet (journalled, not reported).

        Returns:
            Its result; a failure is one too (`raise_if_failed`).
        """
        return self._calls(self._session(host), [(name, arguments)])[0]

    def module_all(self, calls: Mapping[str, Any]) -> dict[str, Any]:
        """Run modules on many hosts at once.

        Args:
            calls: by host's name, one (module, arguments), or a list of them, which is sent without waiting in between
                and done in order to its end, whatever fails.

        Returns:
            By host's name a result, or a list of results.
        """
        results: dict[str, Any] = {}

        def work(name: str) -> None:
            wanted = calls[name]
            single = isinstance(wanted, tuple)
            found = self._calls(self._session(name), [wanted] if single else list(wanted))
            results[name] = found[0] if single else found

        pool.each(list(calls), work, self.forks, self._interrupted)
        return {name: results[name] for name in calls}

    def _calls(self, session: HostSession, calls: Sequence[Call]) -> list[Result]:
        if session.link is None or session.state.state == "unreachable":
            reason = session.state.reason or "not connected"
            return [Result(session.name, name, Status.UNREACHABLE, reason) for name, _ in calls]
        posted: list[tuple[str, dict[str, Any], dict[str, Any], int | Result]] = []
        results: list[Result] = []
        role = self._recorder.result.title if self._recorder is not None else ""
        session.queue += 1
        try:
            for name, given in calls:
                options = {key: value for key, value in given.items() if key.startswith("_")}
                arguments = {
                    key: value for key, value in given.items() if not key.startswith("_") and value is not OMIT
                }
                posted.append((name, arguments, options, self._post(session, session.link, name, arguments, options)))
            for name, arguments, options, number in posted:
                if isinstance(number, Result):
                    result = number
                else:
                    frame = session.link.wait(number, options.get("_timeout"))
                    result = self._result_of(session, name, arguments, options, frame)
                results.append(result)
                self._report_call(session, role, name, options, result)
        except Unreachable as error:
            lost = self._lost(session, role, error)
            results += [Result(session.name, name, lost.status, lost.message) for name, _ in calls[len(results) :]]
        return results

    def _post(
        self, session: HostSession, link: AgentLink, name: str, arguments: dict[str, Any], options: dict[str, Any]
    ) -> int | Result:
        own = own_name(name)
        title = str(options.get("_title") or _title(name, arguments))
        if own is None or own in actions.CONTROL:
            raise EngineError(f"there is no module '{name}'")
        scope = self.variables.of_host(session.name)
        try:
            ready = actions.prepare(own, arguments, actions.Surroundings(self._templar, scope, None))
        except TemplateProblem as problem:
            return Result(session.name, title, Status.FAILED, str(problem))
        for sha256, source in ready.contents.items():
            link.offer(sha256, source)
        message: dict[str, Any] = {
            "module": ready.module,
            "arguments": ready.arguments,
            "queue": session.queue,
            "go_on": True,
        }
        if options.get("_check", self.check):
            message["check"] = True
        if self.diff and not options.get("_no_log"):
            message["diff"] = True
        if options.get("_environment"):
            message["environment"] = options["_environment"]
        if options.get("_become_user"):
            message["become_user"] = options["_become_user"]
        return link.post("task", **message)

    def _result_of(
        self, session: HostSession, name: str, arguments: dict[str, Any], options: dict[str, Any], frame: dict[str, Any]
    ) -> Result:
        data = frame["result"]
        if _is_probe(name, options):
            data["changed"] = False
        if data.get("failed"):
            status = Status.FAILED
        elif data.get("skipped"):
            status = Status.SKIPPED
        else:
            status = Status.CHANGED if data.get("changed") else Status.OK
        message = str(data.get("msg") or "")
        if options.get("_no_log"):
            message = CENSORED if message else ""
        title = str(options.get("_title") or _title(name, arguments))
        facts = data.get("ansible_facts")
        if isinstance(facts, dict):
            session.learn(facts)
        return Result(
            session.name, title, status, message, str(data.get("diff") or ""), data, frame.get("seconds", 0.0)
        )

    def _report_call(self, session: HostSession, role: str, name: str, options: dict[str, Any], result: Result) -> None:
        """A probe's "no" is an answer, not a failure: it is journalled only."""
        if options.get("_quiet") or (result.failed and _is_probe(name, options)):
            self.journal.write(
                "asked", host=session.name, role=role, task=result.task, status=result.status, message=result.message
            )
            return
        self._report(session.name, role, result)

    def shell(self, host: Host | str, command: str | Sequence[str], *, timeout: float | None = None) -> CommandResult:
        """Run a command to look at a machine (also in check mode); not reported.

        Raises:
            Unreachable: the host is not connected.
        """
        session = self._session(host)
        line = command if isinstance(command, str) else shlex.join(command)
        arguments = {"cmd": line} if timeout is None else {"cmd": line, "timeout": timeout}
        result = self.module(session.name, "shell", **arguments, _check=False, _quiet=True)
        if result.status is Status.UNREACHABLE:
            raise Unreachable(result.message)
        data = result.data
        return CommandResult(
            int(data.get("rc", 255)),
            str(data.get("stdout", "")),
            str(data.get("stderr") or ("" if "rc" in data else result.message)),
        )

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

    def summary(self) -> dict[str, HostSummary]:
        """Every host that took part, in numbers."""
        return {
            name: session.summary
            for name, session in self._sessions.items()
            if session.state.state != "new" or session.facts
        }

    def outcome(self) -> str:
        """ok, failed, unreachable or locked: the worst of all hosts."""
        states = {session.state.state for session in self._sessions.values()}
        if "locked" in states:
            return "locked"
        if "failed" in states or any(session.summary.failed for session in self._sessions.values()):
            return "failed"
        return "unreachable" if "unreachable" in states else "ok"


def _is_probe(name: str, options: Mapping[str, Any]) -> bool:
    """Whether a call only looks: a module that cannot do else, or a command that is run in check mode, too."""
    own = own_name(name)
    return own in PROBES or (own in ("command", "shell") and options.get("_check") is False)


def _title(name: str, arguments: Mapping[str, Any]) -> str:
    for key in ("path", "dest", "name", "src", "cmd"):
        if isinstance(arguments.get(key), str):
            return f"{name} {arguments[key]}"
    if isinstance(arguments.get("argv"), (list, tuple)):
        return f"{name} {' '.join(map(str, arguments['argv']))}"
    return name


def _batch_size(serial: int | str | None, count: int) -> int:
    if serial is None or count == 0:
        return max(1, count)
    if isinstance(serial, str) and serial.endswith("%"):
        return max(1, int(count * float(serial[:-1]) / 100))
    return max(1, int(serial))


def _run_of(holder: Mapping[str, Any]) -> str:
    return f"{holder.get('command', 'kprov')}, run {holder.get('run', '?')}"


def _locked_by(holder: Mapping[str, Any]) -> str:
    who, command = holder.get("who", "another run"), holder.get("command", "kprov")
    since = holder.get("since")
    when = time.strftime(" since %Y-%m-%d %H:%M:%S", time.localtime(float(since))) if since else ""
    return f"locked by {who} ({command}, run {holder.get('run', '?')}){when}: wait for it to end, or end it"
