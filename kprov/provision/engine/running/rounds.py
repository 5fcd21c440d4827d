"""Rounds of a task that are waited for one by one: repeated, with pauses, broken off, or done by the controller."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from kprov.provision.engine.errands.catalogue import ERRANDS, run_errand
from kprov.provision.engine.errands.machine import Machine
from kprov.provision.engine.interpreter_turn import TURN
from kprov.provision.engine.running.context import RunContext
from kprov.provision.engine.running.ready import Ready, post
from kprov.provision.engine.running.results import judge_item
from kprov.provision.engine.running.sent import Item, Sent
from kprov.provision.engine.scope import Scope
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.templating import Templar
from kprov.provision.engine.time_limits import TimeLimits


def one_by_one(run: RunContext, sent: Sent, ready: list[Ready], session: HostSession, limits: TimeLimits) -> None:
    """Do rounds that are repeated, paused between, or broken off; `sent` keeps those that were done.

    Args:
        run: the run's options.
        sent: the task.
        ready: its rounds.
        session: the host that does them.
        limits: that host's agent, and the time that its tasks have.
    """
    task, templar = sent.task, sent.place.role.templar
    pause = float(templar.render(task.control.pause, sent.scope) or 0) if task.control.pause is not None else 0.0
    done: list[Item] = []
    for one in ready:
        if done and pause:
            with TURN.waiting():
                time.sleep(pause)
        done.append(one.item)
        if one.prepared is not None:
            _repeat(run, sent, one, session, limits)
        registered = {task.register: one.item.result} if task.register else {}
        seen = sent.scope.with_layer({**one.item.loop, **registered}, False)
        conditions = task.control.break_when
        if conditions and all(templar.is_true(condition, seen) for condition in conditions):
            break
    sent.items = done


def _repeat(run: RunContext, sent: Sent, ready: Ready, session: HostSession, limits: TimeLimits) -> None:
    """Once, or with `until` and `retries` as often as they allow."""
    task, templar, item = sent.task, sent.place.role.templar, ready.item
    attempts = _attempts(task, templar, sent.scope)
    delay = max(0.0, float(templar.render(task.delay, sent.scope)))
    for attempt in range(1, attempts + 1):
        item.result = _result(run, sent, ready, session, limits)
        if attempts > 1:
            item.result["attempts"] = attempt
        judge_item(sent, item)
        item.judged = True
        if item.result.get("timed_out") or item.result.get("skipped") or _is_as_wished(sent, item):
            break
        if attempt < attempts:
            with TURN.waiting():
                time.sleep(delay)
    else:
        if attempts > 1:
            _gave_up(task, item, attempts)


def _result(run: RunContext, sent: Sent, ready: Ready, session: HostSession, limits: TimeLimits) -> dict[str, Any]:
    """Do it once, and wait for its end."""
    if sent.task.module in ERRANDS:
        return _run_errand(run, sent, ready, session, limits)
    post(sent, ready, True, session, limits.link)
    assert ready.item.number is not None
    result: dict[str, Any] = limits.wait(ready.item.number)["result"]
    return result


def _run_errand(run: RunContext, sent: Sent, ready: Ready, session: HostSession, limits: TimeLimits) -> dict[str, Any]:
    bases = sent.place.role.templar.search_path.bases
    machine = Machine(
        session,
        limits,
        run.renew,
        run.leave,
        run.account.waiting,
        bases[-1] if bases else Path(),
        sent.check,
        sent.diff,
        str(ready.user) if ready.user else None,
        ready.environment or {},
    )
    assert ready.prepared is not None
    with TURN.waiting():
        return run_errand(sent.task.module, ready.prepared.arguments, machine)


def _is_as_wished(sent: Sent, item: Item) -> bool:
    task, templar = sent.task, sent.place.role.templar
    assert item.result is not None
    if not task.until:
        return not item.result["failed"]
    registered = {task.register: item.result} if task.register else {}
    seen = sent.scope.with_layer({**item.loop, **registered}, False)
    return all(templar.is_true(condition, seen) for condition in task.until)


def _gave_up(task: Task, item: Item, attempts: int) -> None:
    assert item.result is not None
    words = str(item.result.get("msg") or "")
    wish = task.until[0] if task.until else "it succeeds"
    message = f"not as wished after {attempts} attempts: {wish}" + (f" ({words})" if words else "")
    item.result.update(failed=True, msg=message, attempts=attempts - 1)  # as Ansible counts them


def _attempts(task: Task, templar: Templar, scope: Scope) -> int:
    """How often a task is tried at most. Source: ansible-core: three times, else `retries` times after the first."""
    if not task.until and task.retries is None:
        return 1
    if task.retries is None:
        return 3
    retries = int(templar.render(task.retries, scope))
    return 1 if retries <= 0 else retries + 1
