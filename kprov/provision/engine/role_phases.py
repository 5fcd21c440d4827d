"""A role run on hosts, as a phase: in batches, hosts in parallel, each host's end judged by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kprov.provision.engine import pool
from kprov.provision.engine.account import Account
from kprov.provision.engine.batches import Serial, batches
from kprov.provision.engine.connections import Connections
from kprov.provision.engine.interpreter_turn import TURN
from kprov.provision.engine.result import HostState, PhaseResult
from kprov.provision.engine.roles import RoleEntry
from kprov.provision.engine.running.context import PhaseContext, RunContext
from kprov.provision.engine.running.host_runner import HostRunner
from kprov.provision.engine.running.pieces import pieces_of
from kprov.provision.engine.running.place import Section
from kprov.provision.engine.running.stops import Stopped
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.taking_part import TakingPart, taking_part
from kprov.provision.engine.tasks import Task
from kprov.provision.transport.errors import Unreachable


class RolePhases:
    """Runs roles.

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

    def run(
        self,
        name: str,
        sessions: Sequence[HostSession],
        *,
        serial: Serial,
        variables: Mapping[str, Any],
        title: str,
        stop_on_failure: bool,
        tags: frozenset[str] = frozenset(),
    ) -> PhaseResult:
        """Run a role on hosts; those that are not connected or have failed are left out.

        Args:
            name: the role.
            sessions: the hosts.
            serial: how many at a time (a number, "30%", or a list of these); None: all.
            variables: the phase's.
            title: the phase's.
            stop_on_failure: with `serial`, no further batch after a failure.
            tags: of all its tasks, besides their own.
        """
        with taking_part(self._account, title, sessions, variables) as phase:
            context = PhaseContext(variables, phase.names, tags, magic={"ansible_play_hosts": phase.names})
            self._batches(name, phase, context, serial, stop_on_failure)
        return phase.result

    def _batches(
        self,
        name: str,
        phase: TakingPart,
        context: PhaseContext,
        serial: Serial,
        stop_on_failure: bool,
    ) -> None:
        # For all hosts: what is worked out of it for one is known to the next.
        section = Section(tuple(pieces_of(RoleEntry(name, Task("", "", {}, name, name, 1)), self._run.roles)))
        begun = 0
        for batch in batches(serial, phase.sessions):
            begun += len(batch)
            pool.each(
                batch,
                lambda session: self._on_host(session, name, section, context),
                self._forks,
                self._connections.interrupted,
            )
            rest = phase.sessions[begun:]
            if rest and serial is not None and stop_on_failure and phase.result.failed:
                phase.leave_out(rest, f"not begun, because {', '.join(phase.result.failed)} failed")
                break

    def _on_host(self, session: HostSession, role: str, section: Section, context: PhaseContext) -> None:
        if self._connections.closing or session.link is None:
            return
        try:
            with TURN.working():
                HostRunner(self._run, session, context).play([section])
        except Stopped as stopped:
            session.state = HostState("failed", f"{role}: {stopped.result.task}: {stopped.result.message}")
            self._account.journal.sync()
        except Unreachable as error:
            self._connections.lost(session, role, error)
