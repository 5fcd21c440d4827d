"""`ignore_unreachable`: a host that can't be reached for a task goes on with the next one, and is connected to anew.

Source: ansible-core, whose strategies count such a task as ok and ignored, and register that it was unreachable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kprov.provision.engine.control_modules import CONTROL
from kprov.provision.engine.errands.catalogue import ON_THE_HOST_ITSELF
from kprov.provision.engine.result import HostState, Result, Status
from kprov.provision.engine.running.become import truth
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.tasks import Task
from kprov.provision.transport.errors import Unreachable

if TYPE_CHECKING:
    from kprov.provision.engine.running.host_runner import HostRunner


class Bearing:
    """Bears that a host is unreachable, where its tasks say so.

    Args:
        runner: the host's.
    """

    def __init__(self, runner: HostRunner) -> None:
        self._runner = runner
        self._lost = False

    def is_asked(self, place: Place, task: Task) -> bool:
        """Whether a task says so: one that is done on a machine."""
        if task.ignore_unreachable is None or task.module in CONTROL:
            return False
        return truth(task.ignore_unreachable, False, place.role.templar, self._runner.scope(place, task))

    def do(self, place: Place, task: Task, work: Callable[[], None]) -> None:
        """Do a task by itself, so that nothing else is lost with it.

        Raises:
            Stopped: it failed.
            Unreachable: by what was sent before it.
        """
        runner = self._runner
        runner.results.settle()
        try:
            work()
            runner.results.settle()
        except Unreachable as error:
            self._bear(place, task, error)

    def _bear(self, place: Place, task: Task, error: Unreachable) -> None:
        runner, session = self._runner, self._runner.session
        numbers = runner.results.forget()
        if task.delegate_to is None:
            self._lost = True
            runner.limits.drop(error.message)
            runner.run.leave(session)
            session.state = HostState("awaited", error.message)
        data: dict[str, Any] = {"unreachable": True, "changed": False, "msg": error.message}
        if task.register:
            session.registered[task.register] = data
        words = f"ignored: {session.name} can't be reached: {error.message}"
        number = numbers[0] if numbers else None
        result = Result(session.name, task.name, Status.OK, words, data=data, location=task.location, number=number)
        runner.run.account.result(session.name, place.role.name, result)

    def before(self, task: Task) -> None:
        """A task is about to be sent: after one by which the host was lost, it is connected to anew.

        Raises:
            Unreachable: it still can't be reached.
        """
        runner = self._runner
        if not self._lost or task.delegate_to is not None or task.module in ON_THE_HOST_ITSELF:
            return
        if runner.session.link is None:
            runner.run.renew(runner.session, runner.run.timeouts.connect)
            assert runner.session.link is not None
            runner.limits.take(runner.session.link)
        self._lost = False
