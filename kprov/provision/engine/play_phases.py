"""A play run on hosts, as a phase: batch by batch, hosts in parallel, waiting for each other only where they must."""

from __future__ import annotations

from collections.abc import Sequence

from kprov.provision.engine import pool
from kprov.provision.engine.account import Account
from kprov.provision.engine.batches import batches
from kprov.provision.engine.connections import Connections
from kprov.provision.engine.interpreter_turn import TURN
from kprov.provision.engine.play_plan import PlayPlan
from kprov.provision.engine.result import HostState, PhaseResult, Status
from kprov.provision.engine.running.context import PhaseContext, RunContext
from kprov.provision.engine.running.host_runner import HostRunner
from kprov.provision.engine.running.in_step import announce
from kprov.provision.engine.running.pace import Failure, Pace
from kprov.provision.engine.running.stops import Stopped
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.taking_part import TakingPart, taking_part
from kprov.provision.transport.errors import Unreachable


class PlayPhases:
    """Runs plays.

    Args:
        run: what runners need of the run.
        account: told of everything.
        connections: told of lost ones.
        forks: hosts at a time.
    """

    def __init__(self, run: RunContext, account: Account, connections: Connections, forks: int) -> None:
        self._run = run
        self._account = account
        self._connections = connections
        self._forks = forks

    def run(self, plan: PlayPlan, sessions: Sequence[HostSession]) -> PhaseResult:
        """Run a play; hosts that are not connected or have failed are left out."""
        with taking_part(self._account, plan.title, sessions, plan.variables) as phase:
            for session in phase.sessions:
                session.exposed_defaults, session.exposed_variables, session.ended = {}, {}, ""
            order = {name: number for number, name in enumerate(plan.named)}
            targeted = sorted((session.name for session in sessions), key=lambda name: order.get(name, len(order)))
            self._batches(plan, phase, targeted)
        return phase.result

    def _batches(self, plan: PlayPlan, phase: TakingPart, targeted: list[str]) -> None:
        everyone = [name for name in targeted if name in phase.names]  # whatever the play's order is
        begun = 0
        for batch in batches(plan.serial, phase.sessions):
            begun += len(batch)
            names = [session.name for session in batch]
            pace = Pace(names, self._forks, plan.max_fail_percentage)
            context = self._context(plan, targeted, everyone, names, pace)
            pool.each(
                batch,
                lambda session, context=context: self._on_host(session, context, plan),  # type: ignore[misc]
                len(batch),  # all begin, but only `forks` of them work at once: see Pace
                self._connections.interrupted,
            )
            failed = [name for name in names if name in phase.result.failed]
            everyone = [name for name in everyone if name not in failed]
            why = _over(plan, batch, failed)
            if why:
                phase.result.broken = "" if any(session.ended for session in batch) else why
                phase.leave_out(phase.sessions[begun:], f"not begun, because {why}")
                return

    def _context(
        self, plan: PlayPlan, targeted: list[str], everyone: list[str], batch: list[str], pace: Pace
    ) -> PhaseContext:
        magic = {
            **plan.magic,
            "ansible_play_hosts": everyone,
            "ansible_play_hosts_all": targeted,
            "play_hosts": batch,
            "ansible_play_batch": batch,
        }
        return PhaseContext(
            plan.variables,
            batch,
            frame=plan.frame,
            magic=magic,
            exposed_defaults=plan.exposed_defaults,
            exposed_variables=plan.exposed_variables,
            handlers=plan.handlers,
            force_handlers=plan.force_handlers,
            pace=pace,
            lockstep=plan.lockstep and len(batch) > 1,
            any_errors_fatal=plan.any_errors_fatal,
            makes_groups=plan.makes_groups,
        )

    def _on_host(self, session: HostSession, context: PhaseContext, plan: PlayPlan) -> None:
        pace = context.pace
        assert pace is not None
        pace.begin()
        try:
            if self._connections.closing:
                return
            with TURN.working():
                HostRunner(self._run, session, context).play(plan.sections)
        except Stopped as stopped:
            reason = f"{stopped.result.task}: {stopped.result.message}"
            session.state = HostState("failed", reason)
            if stopped.result.status is not Status.SKIPPED:  # else it stopped because of another
                announce(context, session.name, stopped)
                self._out(session, context, reason)
            self._account.journal.sync()
        except Unreachable as error:
            self._connections.lost(session, plan.title, error)
            if plan.any_errors_fatal:
                pace.fatal(Failure(session.name, "", error.message))
            self._out(session, context, error.message)
        finally:
            pace.end(session.name)

    def _out(self, session: HostSession, context: PhaseContext, reason: str) -> None:
        assert context.pace is not None
        active = ("ansible_play_hosts", "ansible_play_batch", "play_hosts")
        left = {key: [name for name in context.magic[key] if name != session.name] for key in active}
        context.magic = {**context.magic, **left}
        context.pace.failed(session.name, reason)


def _over(plan: PlayPlan, batch: list[HostSession], failed: list[str]) -> str:
    """Why no further batch is begun; empty when one is."""
    if any(session.ended == "end_play" for session in batch):
        return "the play was ended (meta: end_play)"
    if batch and len(failed) == len(batch):
        return "all hosts of the batch before failed"
    if failed and plan.any_errors_fatal:
        return f"any error is fatal, and {', '.join(failed)} failed"
    most = plan.max_fail_percentage
    if most is not None and 100.0 * len(failed) / len(batch) > most:
        return f"{len(failed)} of {len(batch)} hosts failed, more than max_fail_percentage {most:g}"
    return ""
