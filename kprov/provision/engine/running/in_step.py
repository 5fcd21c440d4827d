"""Hosts that go task by task together, because the failure of one is to stop them all.

Source: ansible-core 2.19, the linear strategy: where any error is fatal, all hosts have failed where one has, so that
all go on with the `rescue` and `always` of the block that they are in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.running.context import PhaseContext
from kprov.provision.engine.running.pace import Failure
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.running.stops import Stopped
from kprov.provision.engine.tasks import Task

if TYPE_CHECKING:
    from kprov.provision.engine.running.host_runner import HostRunner


class InStep:
    """Keeps one host in step.

    Args:
        runner: the host's.
    """

    def __init__(self, runner: HostRunner) -> None:
        self._runner = runner
        self._heard = 0
        self._own = ""
        self.is_over = False
        """Nothing keeps this host from going on by itself any more."""

    def before(self, place: Place, task: Task) -> None:
        """Wait until all hosts have ended the task before one, where they go together.

        Raises:
            Stopped: another host failed, or this one did.
        """
        phase = self._runner.phase
        if phase.pace is not None and (phase.lockstep or task.any_errors_fatal) and not self.is_over:
            self._wait()
            self._answer(place, task.name, task)

    def at_end_of(self, place: Place, name: str) -> None:
        """Wait until all hosts have come to the end of a part of a block, where they go together.

        Raises:
            Stopped: another host failed in it.
        """
        if self._runner.phase.pace is not None and self._runner.phase.lockstep and not self.is_over:
            self._wait()
            self._answer(place, name, None)

    def failed(self, stopped: Stopped) -> None:
        """A block caught this host's failure: the others hear of it."""
        announce(self._runner.phase, self._runner.session.name, stopped)
        self._own = stopped.result.location

    def _wait(self) -> None:
        runner = self._runner
        assert runner.phase.pace is not None
        runner.results.settle()
        runner.tell_position()
        runner.phase.pace.wait_for_all(runner.position)

    def _answer(self, place: Place, name: str, task: Task | None) -> None:
        runner = self._runner
        host, pace = runner.session.name, runner.phase.pace
        assert pace is not None
        failures = pace.fatal_since(self._heard)
        self._heard += len(failures)
        own, self._own = self._own, ""
        others = [failure for failure in failures if failure.host != host and failure.where != own]
        why = f"any error is fatal, and {others[0].host} failed: {others[0].why}" if others else pace.too_many()
        if why:
            location = task.location if task is not None else ""
            result = Result(host, name, Status.SKIPPED, f"not begun: {why}", location=location)
            runner.run.account.result(host, place.role.name, result)
            raise Stopped(result, task)


def announce(phase: PhaseContext, host: str, stopped: Stopped) -> None:
    """Tell the others of a host's failure, if it is to stop them; once, however many blocks it passes."""
    if phase.pace is None or stopped.result.status is Status.SKIPPED or stopped.announced:
        return
    if phase.any_errors_fatal or _is_fatal(stopped.task):
        stopped.announced = True
        why = f"{stopped.result.task}: {stopped.result.message}"
        phase.pace.fatal(Failure(host, stopped.result.location, why))


def _is_fatal(task: Task | None) -> bool:
    """Whether a task says by itself that its failure stops all; a template that is not known here counts as yes."""
    said = task.any_errors_fatal if task is not None else None
    return said is not None and str(said).lower() not in ("false", "no", "off")
