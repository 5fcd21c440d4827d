"""run_once: the first host of the batch that is still at work does the task; all others take its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kprov.provision.engine.interpreter_turn import TURN
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.running.context import Once
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.running.sending import shown_name
from kprov.provision.engine.running.stops import EndHost
from kprov.provision.engine.scope import NeedsResult, Scope
from kprov.provision.engine.tasks import Task

if TYPE_CHECKING:
    from kprov.provision.engine.running.host_runner import HostRunner


def run_once(runner: HostRunner, place: Place, task: Task, scope: Scope) -> None:
    """Do a task once for all hosts of the batch.

    Raises:
        Stopped: it failed, here or there.
    """
    phase, host = runner.phase, runner.session.name
    key = (task.file, task.line, runner.position)
    with phase.lock:
        once = phase.once.setdefault(key, Once())
    if phase.pace is None:
        _without_pace(runner, place, task, scope, once)
        return
    runner.results.settle()
    pace = phase.pace
    pace.reached(host, runner.position)
    pace.wait_until(lambda: once.done or pace.first() == host)
    if not once.done:
        _do(runner, place, task, scope, once)
    else:
        _take(runner, place, task, scope, once)


def _without_pace(runner: HostRunner, place: Place, task: Task, scope: Scope, once: Once) -> None:
    """Hosts that never wait for each other otherwise: the first that comes by does it."""
    runner.results.settle()  # one that fails by what came before has begun nothing that others would wait for
    with runner.phase.lock:
        first = not once.status
        once.status = once.status or "begun"
    if first:
        _do(runner, place, task, scope, once)
        return
    with TURN.waiting():
        once.event.wait()
    _take(runner, place, task, scope, once)


def _do(runner: HostRunner, place: Place, task: Task, scope: Scope, once: Once) -> None:
    try:
        runner.do(place, task, scope)
        runner.results.settle()
        once.result = runner.session.registered.get(task.register) if task.register else None
        if task.module == "set_fact":
            names = [str(place.role.templar.render(name, scope)) for name in task.arguments if name != "cacheable"]
            once.facts = {name: runner.session.registered[name] for name in names if name in runner.session.registered}
    except NeedsResult:
        once.status = ""
        raise
    except EndHost:
        once.ended = True
        _through(runner, once)
        raise
    except BaseException as error:
        once.failed = str(error) or type(error).__name__
        _through(runner, once)
        raise
    _through(runner, once)


def _through(runner: HostRunner, once: Once) -> None:
    once.done = True
    once.event.set()
    if runner.phase.pace is not None:
        runner.phase.pace.tell()


def _take(runner: HostRunner, place: Place, task: Task, scope: Scope, once: Once) -> None:
    if once.ended:
        runner.results.settle()
        raise EndHost
    if once.failed:
        raise runner.stop(place, task, f"it is done once for all hosts, and failed there: {once.failed}")
    if task.register and once.result is not None:
        runner.session.registered[task.register] = once.result
    runner.session.registered.update(once.facts)
    runner.results.settle()
    name = shown_name(task, scope, place)
    message = "done once, on another host"
    result = Result(runner.session.name, name, Status.SKIPPED, message, location=task.location)
    runner.run.account.result(runner.session.name, place.role.name, result)
