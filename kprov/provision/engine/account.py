"""Keeps account of a run: tells the reporter, the journal, the log, the hosts' sums and the phase what happens."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import kprov
from kprov.provision.engine.holder import this_user
from kprov.provision.engine.journal import FORMAT, LARGEST_DIFF, Journal
from kprov.provision.engine.phase_recorder import PhaseRecorder
from kprov.provision.engine.reporter import Reporter
from kprov.provision.engine.result import HostState, HostSummary, PhaseResult, Result, Status
from kprov.provision.engine.secrets import Secrets
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.stats import Stats
from kprov.provision.engine.task_waits import TaskWaits

_NOT_PLANNED = "it would be changed, which the plan does not say: nothing was done. Make a new plan."


class Account:
    """What a run did, told to everyone who keeps it.

    Args:
        run_id: the run's name.
        reporter: told of everything.
        journal: keeps everything.
        secrets: masked in whatever is told.
        sessions: the hosts.
        check: the run changes nothing.
        command_line: what the journal says is running.
        inventory: what the journal says it runs on.
    """

    def __init__(
        self,
        run_id: str,
        reporter: Reporter,
        journal: Journal,
        secrets: Secrets,
        sessions: Mapping[str, HostSession],
        *,
        check: bool,
        command_line: str,
        inventory: str = "",
    ) -> None:
        self.run_id = run_id
        self.reporter = reporter
        self.journal = journal
        self.secrets = secrets
        self._sessions = sessions
        self._check = check
        self._lock = threading.RLock()
        self._recorder: PhaseRecorder | None = None
        self._announced = False
        self._waits = TaskWaits(sessions, self.waiting)
        self.rehearsing = False
        self.stats = Stats()
        """What tasks keep for the run's end."""
        self.observers: list[Callable[[str, Result], None]] = []
        self.journal.write(
            "run_started",
            journal=FORMAT,
            run=self.run_id,
            command=command_line,
            check=check,
            by=this_user(),
            pid=os.getpid(),
            kprov=kprov.__version__,
            inventory=inventory,
        )

    # -- the run

    def announce(self, hosts: list[str]) -> None:
        """Say that these hosts take part; the first time, that the run begins."""
        self.journal.write("connecting", hosts=hosts)
        if self._announced:
            return
        self._announced = True
        with self._lock:
            self.reporter.run_started(self.run_id, hosts, self._check)

    def finish(self, error: BaseException | None) -> None:
        """Write down how the run ended; nothing is written after it.

        Raises:
            JournalError: it could not be written.
        """
        outcome = self.outcome()
        if isinstance(error, KeyboardInterrupt):
            outcome = "interrupted"
        elif error is not None and outcome == "ok":
            outcome = "failed"
        if self.stats.values:
            self.journal.write("stats", values=self.stats.values)
        self.journal.close(
            outcome=outcome,
            error=f"{type(error).__name__}: {error}" if error else None,
            hosts={name: vars(count) for name, count in self.summary().items()},
        )

    def tell_end(self) -> None:
        """Tell the reporter that the run is over."""
        if self._announced:
            with self._lock:
                self.reporter.run_finished(self.summary())

    # -- hosts

    def host_state(self, session: HostSession) -> None:
        """Tell how it stands with a host."""
        state = session.state
        session.summary.unreachable = state.state == "unreachable"
        session.summary.reason = state.reason
        self.journal.write("host_state", host=session.name, state=state.state, reason=state.reason)
        with self._lock:
            self.reporter.host_state(session.name, state.state, self.secrets.mask(state.reason))

    def waiting(self, message: str) -> None:
        """Tell what is being waited for. It is no event of the run: nothing is journalled."""
        text = self.secrets.mask(message)
        with self._lock:
            self.reporter.waiting(text)

    def warn(self, message: str) -> None:
        """Tell the person something."""
        text = self.secrets.mask(message)
        self.journal.write("warning", message=text)
        with self._lock:
            self.reporter.warning(text)

    # -- tasks

    def sent(self, session: HostSession, role: str, task: str, *, check: bool = False, quiet: bool = False) -> int:
        """Tell that a task is about to leave: to be called before it does.

        Args:
            session: the host.
            role: its role, or the phase of a procedure.
            task: its name.
            check: it only compares.
            quiet: it only looks, and nobody waits for it: it is journalled only.

        Returns:
            The number that its result is to be told with.
        """
        session.numbered += 1
        number = session.numbered
        shown = self.secrets.mask(task)
        session.whereabouts.sent(number, shown, self.phase_title)
        self.journal.put("sent", host=session.name, number=number, role=role, task=task, **_checked(check))
        if not quiet:
            with self._lock:
                self.reporter.task_started(session.name, role, shown)
        return number

    def not_run(self, host: str, numbers: list[int]) -> None:
        """Tell that what was sent was not done, because something before it failed."""
        self._sessions[host].whereabouts.dropped(numbers)
        if numbers:
            self.journal.write("not_run", host=host, tasks=numbers)

    def result(self, host: str, role: str, result: Result) -> None:
        """Tell how a task ended. On a machine that is to be left alone, a change that would be made is a failure."""
        session = self._sessions[host]
        if session.left_alone and result.changed:
            result.status, result.message = Status.FAILED, " ".join(filter(None, (_NOT_PLANNED, result.message)))
            session.state = HostState("failed", f"{role}: {result.task}: {result.message}")
        result.message = self.secrets.mask(result.message)
        result.diff = self.secrets.mask(result.diff)
        shown = self.secrets.mask(result.task)
        if result.status is not Status.UNREACHABLE:
            session.whereabouts.ended(result.number, shown)
        self.journal.put(
            "task",
            host=host,
            **_numbered(result),
            role=role,
            task=result.task,
            status=result.status,
            message=result.message,
            seconds=result.duration,
            where=result.location or None,
            **({"diff": result.diff[:LARGEST_DIFF]} if result.diff else {}),
            **_checked(result.check),
        )
        if result.status is not Status.OK:
            where = f" ({result.location})" if result.failed and result.location else ""
            self.journal.log(
                f"{result.status:<9} {host} {role}: {result.task}{where}"
                + (f": {result.message}" if result.message else "")
            )
        with self._lock:
            session.summary.count(result.status)
            if self._recorder is not None:
                self._recorder.add(result)
            for observe in self.observers:
                observe(role, result)
            self.reporter.task_result(host, role, shown, result.status, result.diff, result.message, result.duration)

    def asked(self, host: str, role: str, result: Result) -> None:
        """Journal what only looked."""
        if result.status is not Status.UNREACHABLE:
            self._sessions[host].whereabouts.ended(result.number, self.secrets.mask(result.task))
        self.journal.put(
            "asked",
            host=host,
            **_numbered(result),
            role=role,
            task=result.task,
            status=result.status,
            message=result.message,
        )

    # -- phases

    @property
    def phase_title(self) -> str:
        """The phase under way; empty between phases."""
        return self._recorder.result.title if self._recorder is not None else ""

    def begin_phase(self, title: str, hosts: list[str]) -> PhaseRecorder:
        """A phase begins; what is told until its end is counted in it."""
        rehearsal = {"rehearsal": True} if self.rehearsing else {}
        self.journal.write("phase_started", title=title, hosts=hosts, **rehearsal)
        self.journal.log(f"phase     {title}: {', '.join(hosts)}")
        recorder = PhaseRecorder(title, hosts, self.result)
        with self._lock:
            self._recorder = recorder
            self.reporter.phase_started(title, hosts)
        return recorder

    def end_phase(self, recorder: PhaseRecorder) -> PhaseResult:
        """The phase is over."""
        result = recorder.finish()
        with self._lock:
            self._recorder = None
            self.reporter.phase_finished(result)
        self.journal.write("phase_finished", title=result.title, seconds=result.duration, failed=list(result.failed))
        return result

    @contextlib.contextmanager
    def phase(self, title: str, hosts: list[str]) -> Iterator[PhaseRecorder]:
        """A phase for as long as the block lasts."""
        recorder = self.begin_phase(title, hosts)
        try:
            yield recorder
        finally:
            self.end_phase(recorder)

    # -- sums

    def summary(self) -> dict[str, HostSummary]:
        """Every host that took part, in numbers; of those in trouble, where they were."""
        taking = {name: session for name, session in self._sessions.items() if session.took_part}
        for session in taking.values():
            place, summary = session.whereabouts, session.summary
            if session.state.state in ("failed", "unreachable"):
                summary.phase, summary.finished, summary.in_flight = place.phase, place.finished, place.in_flight
        return {name: session.summary for name, session in taking.items()}

    def tell_waits(self, limit: float) -> None:
        """Tell which machines have been at one task for long, now and then; ``limit`` are the seconds that it has."""
        self._waits.tell(limit)

    def outcome(self) -> str:
        """ok, failed, unreachable or locked: the worst of all hosts."""
        states = {session.state.state for session in self._sessions.values()}
        if "locked" in states:
            return "locked"
        if "failed" in states or any(session.summary.failed for session in self._sessions.values()):
            return "failed"
        return "unreachable" if "unreachable" in states else "ok"


def _numbered(result: Result) -> dict[str, Any]:
    return {} if result.number is None else {"number": result.number}


def _checked(check: bool) -> dict[str, Any]:
    return {"check": True} if check else {}
