"""Blocks: `rescue` answers a failure, `always` runs whatever happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kprov.provision.engine.result import Status
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.running.stops import Stopped
from kprov.provision.engine.tasks import Block, Task

if TYPE_CHECKING:
    from kprov.provision.engine.running.host_runner import HostRunner


def run_block(runner: HostRunner, place: Place, block: Block) -> None:
    """Run a block.

    Raises:
        Stopped: it failed, and no `rescue` answered it.
    """
    if not block.rescue and not block.always:
        runner.steps(place, block.steps)
        return
    runner.results.settle()  # what failed before the block is none of its business
    failure = _part(runner, place, block, 1)
    if failure is not None and block.rescue:
        if failure.result.status is not Status.SKIPPED:  # else it is another host's
            runner.session.registered.update(
                ansible_failed_task=_described(failure.task), ansible_failed_result=failure.result.data
            )
        failure = _part(runner, place, block, 2)
    if block.always:
        again = _part(runner, place, block, 3)
        failure = again or failure
    if failure is not None:
        raise failure


def _part(runner: HostRunner, place: Place, block: Block, number: int) -> Stopped | None:
    """Run one of its three parts to its end; returns what stopped it."""
    rescued = number == 1 and bool(block.rescue)
    runner.rescuing += rescued
    try:
        runner.part(place, block, number)
    except Stopped as stopped:
        runner.in_step.failed(stopped)
        runner.results.drain()
        runner.session.queue += 1  # the agent does nothing more of the one in which a task failed
        return stopped
    finally:
        runner.rescuing -= rescued
    return None


def _described(task: Task | None) -> dict[str, Any]:
    """What `rescue` reads of the task that failed."""
    if task is None:
        return {}
    return {
        "name": "" if task.nameless else task.name,
        "action": task.module,
        "args": dict(task.arguments),
        "register": task.register,
        "when": list(task.when),
        "tags": sorted(task.tags),
        "vars": dict(task.variables),
    }
