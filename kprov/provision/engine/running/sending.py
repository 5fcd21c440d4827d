"""A task made ready and put in line for a host's agent: rendered whole first, so that nothing is sent by halves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.provision.engine import actions
from kprov.provision.engine.errands.catalogue import ERRANDS, ON_THE_HOST_ITSELF, run_errand
from kprov.provision.engine.errands.machine import Machine
from kprov.provision.engine.interpreter_turn import TURN
from kprov.provision.engine.running import background
from kprov.provision.engine.running.become import truth, user_of
from kprov.provision.engine.running.context import RunContext
from kprov.provision.engine.running.delegated import seen_there
from kprov.provision.engine.running.loops import condition_against, items_of, label_of, skipped_by
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.running.results import Results, judge_item
from kprov.provision.engine.running.sent import Item, Sent
from kprov.provision.engine.scope import OMIT, NeedsResult, Scope, TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task, is_open
from kprov.provision.engine.templating import Templar
from kprov.provision.engine.time_limits import TimeLimits
from kprov.provision.transport.link import AgentLink


@dataclass(frozen=True)
class _Ready:
    """One round, ready to be sent (`prepared` None: it is skipped)."""

    item: Item
    prepared: actions.Prepared | None = None
    environment: dict[str, str] | None = None
    user: str | None = None
    job: dict[str, Any] | None = None
    """It is begun only, and goes on by itself."""


class Sender:
    """Sends a host's tasks.

    Args:
        run: the run's options.
        session: the host.
        limits: its agent, and the time that its tasks have.
        results: waits for answers.
        before: called with a task before anything of it is sent (it writes down what must be known after a crash).
    """

    def __init__(
        self,
        run: RunContext,
        session: HostSession,
        limits: TimeLimits,
        results: Results,
        before: Callable[[Sent], None],
    ) -> None:
        self._run = run
        self._session = session
        self._limits = limits
        self._results = results
        self._before = before

    def send(self, place: Place, task: Task, scope: Scope, sent: Sent) -> None:
        """Put a task in line, or repeat it until it is as wished.

        Raises:
            TemplateProblem: it cannot be rendered.
            NeedsResult: it reads a result that is not there yet; nothing was sent.
        """
        if task.delegate_to is not None and task.loop is not None and is_open(task.delegate_to):
            self._round_by_round(place, task, scope, sent)
            return
        templar = place.role.templar
        delegated = templar.render(task.delegate_to, scope) if task.delegate_to is not None else None
        self._there(place, task, scope, sent, delegated)

    def _round_by_round(self, place: Place, task: Task, scope: Scope, sent: Sent) -> None:
        """Each round of the loop says by itself on which host it is done."""
        self._results.settle()
        templar = place.role.templar
        hosts: list[Any] = []
        for item in sent.items:  # what can't be rendered yet must be known before the first is done
            inner = scope.with_layer(item.loop, False)
            condition = condition_against(task, inner, place.role)
            if condition is not None:
                item.result = skipped_by(condition)
                hosts.append(None)
                continue
            host = templar.render(task.delegate_to, inner)
            templar.render(task.arguments, seen_there(inner, str(host)))
            hosts.append(host)
        everyone = sent.items
        for item, host in zip(everyone, hosts, strict=True):
            if item.result is None:
                sent.items = [item]
                self._there(place, task, scope, sent, host)
                self._results.wait_for(sent)
        sent.items, sent.delegated_to, sent.scope = everyone, "", scope

    def _there(self, place: Place, task: Task, scope: Scope, sent: Sent, delegated: Any) -> None:
        templar = place.role.templar
        if delegated is OMIT:
            delegated = None
        if delegated:
            scope = sent.scope = seen_there(scope, str(delegated))
        if delegated and str(delegated) not in (self._session.name, self._session.host.address):
            if task.module in ON_THE_HOST_ITSELF:
                raise TemplateProblem(f"{task.module} can't be delegated: write it in a play for {delegated}")
            self._delegate(place, task, scope, sent, str(delegated))
            return
        own = self._limits_of(task, templar, scope)
        if own is not None:
            self._results.settle()
            self._limits.tell(own)
        try:
            self._each(place, task, scope, sent, self._session, self._limits)
        finally:
            if own is not None:
                self._limits.tell()

    def _limits_of(self, task: Task, templar: Templar, scope: Scope) -> float | None:
        """The seconds that a task names for itself: `async` is nothing else where it is waited for."""
        seconds = float(templar.render(task.timeout, scope) or 0) if task.timeout is not None else 0.0
        return seconds or background.seconds_waited_for(task, templar, scope) or None

    def _delegate(self, place: Place, task: Task, scope: Scope, sent: Sent, host: str) -> None:
        """A task that is done on another host, after all that was sent before it is done here."""
        self._results.settle()
        with TURN.waiting():
            session, link, turn = self._run.delegate(host)
        sent.delegated_to = host
        for item in sent.items:
            item.delegated_to = host
        with TURN.holding(turn):
            limits = TimeLimits(link, self._run.timeouts)
            limits.tell()
            session.queue += 1
            self._each(place, task, scope, sent, session, limits)
            for item in sent.items:
                if item.result is None and item.number is not None:
                    item.result = limits.wait(item.number)["result"]

    def _each(
        self,
        place: Place,
        task: Task,
        scope: Scope,
        sent: Sent,
        session: HostSession,
        limits: TimeLimits,
    ) -> None:
        ready = [self._ready(place, task, scope, item, session) for item in sent.items]
        due = [one for one in ready if one.prepared is not None]
        control = task.control
        alone = bool(task.until or task.retries is not None or control.pause is not None or control.break_when)
        alone = alone or task.module in ERRANDS
        if alone:
            self._results.settle()  # what fails before it keeps it from being sent
        if due and sent.number is None:
            self._before(sent)
        if alone:
            self._one_by_one(sent, ready, session, limits)
            return
        go_on = sent.ignore_errors or task.failed_when is not None
        for one in due:
            self._post(sent, one, go_on, session, limits.link, more=one is not due[-1])

    def _ready(self, place: Place, task: Task, scope: Scope, item: Item, session: HostSession) -> _Ready:
        templar = place.role.templar
        inner = scope.with_layer(item.loop, False) if item.loop else scope
        condition = condition_against(task, inner, place.role)
        if condition is not None:
            item.result = skipped_by(condition)
            return _Ready(item)
        if task.unsupported:
            raise TemplateProblem(task.unsupported)
        if task.loop is not None:
            label = task.control.label
            item.label = str(templar.render(label, inner)) if label is not None else label_of(item.value)
        arguments = templar.render(task.arguments, inner)
        return _Ready(
            item,
            actions.prepare(task.module, arguments, actions.Surroundings(templar, inner)),
            environment_of(task, templar, inner),
            user_of(task, templar, inner, session, self._run),
            background.job_of(task, templar, inner),
        )

    def _post(
        self, sent: Sent, ready: _Ready, go_on: bool, session: HostSession, link: AgentLink, more: bool = False
    ) -> None:
        prepared = ready.prepared
        if prepared is None:
            return
        for sha256, source in prepared.contents.items():
            link.offer(sha256, source)
        message: dict[str, Any] = {"module": prepared.module, "arguments": prepared.arguments, "queue": session.queue}
        if sent.check:
            message["check"] = True
        if sent.diff:
            message["diff"] = True
        if ready.environment:
            message["environment"] = ready.environment
        if ready.user:
            message["become_user"] = str(ready.user)
        if ready.job:
            message["job"] = ready.job
        if go_on:
            message["go_on"] = True
        elif more:  # a loop goes on to its end, whatever fails; then the tasks after it are not done
            message["more"] = True
        ready.item.number = link.post("task", **message)

    # -- rounds that must be waited for one by one

    def _one_by_one(self, sent: Sent, ready: list[_Ready], session: HostSession, limits: TimeLimits) -> None:
        """Rounds that are repeated, paused between, or broken off."""
        task, templar = sent.task, sent.place.role.templar
        pause = float(templar.render(task.control.pause, sent.scope) or 0) if task.control.pause is not None else 0.0
        done: list[Item] = []
        for one in ready:
            if done and pause:
                with TURN.waiting():
                    time.sleep(pause)
            done.append(one.item)
            if one.prepared is not None:
                self._repeat(sent, one, session, limits)
            registered = {task.register: one.item.result} if task.register else {}
            seen = sent.scope.with_layer({**one.item.loop, **registered}, False)
            conditions = task.control.break_when
            if conditions and all(templar.is_true(condition, seen) for condition in conditions):
                break
        sent.items = done

    def _repeat(self, sent: Sent, ready: _Ready, session: HostSession, limits: TimeLimits) -> None:
        """Once, or with `until` and `retries` as often as they allow."""
        task, templar, item = sent.task, sent.place.role.templar, ready.item
        attempts = _attempts(task, templar, sent.scope)
        delay = max(0.0, float(templar.render(task.delay, sent.scope)))
        for attempt in range(1, attempts + 1):
            item.result = self._result(sent, ready, session, limits)
            if attempts > 1:
                item.result["attempts"] = attempt
            judge_item(sent, item)
            item.judged = True
            if item.result.get("timed_out") or item.result.get("skipped") or self._is_as_wished(sent, item):
                break
            if attempt < attempts:
                with TURN.waiting():
                    time.sleep(delay)
        else:
            if attempts > 1:
                self._gave_up(task, item, attempts)

    def _result(self, sent: Sent, ready: _Ready, session: HostSession, limits: TimeLimits) -> dict[str, Any]:
        """Do it once, and wait for its end."""
        if sent.task.module in ERRANDS:
            return self._run_errand(sent, ready, session, limits)
        self._post(sent, ready, True, session, limits.link)
        assert ready.item.number is not None
        result: dict[str, Any] = limits.wait(ready.item.number)["result"]
        return result

    def _run_errand(self, sent: Sent, ready: _Ready, session: HostSession, limits: TimeLimits) -> dict[str, Any]:
        bases = sent.place.role.templar.search_path.bases
        machine = Machine(
            session,
            limits,
            self._run.renew,
            self._run.leave,
            self._run.account.waiting,
            bases[-1] if bases else Path(),
            sent.check,
            sent.diff,
            str(ready.user) if ready.user else None,
            ready.environment or {},
        )
        assert ready.prepared is not None
        with TURN.waiting():
            return run_errand(sent.task.module, ready.prepared.arguments, machine)

    def _is_as_wished(self, sent: Sent, item: Item) -> bool:
        task, templar = sent.task, sent.place.role.templar
        assert item.result is not None
        if not task.until:
            return not item.result["failed"]
        registered = {task.register: item.result} if task.register else {}
        seen = sent.scope.with_layer({**item.loop, **registered}, False)
        return all(templar.is_true(condition, seen) for condition in task.until)

    def _gave_up(self, task: Task, item: Item, attempts: int) -> None:
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


def environment_of(task: Task, templar: Templar, scope: Scope) -> dict[str, str]:
    """The environment of a task's programs: what surrounds it first, the task's own last."""
    found: dict[str, str] = {}
    for part in task.environment:
        values = templar.render(part, scope)
        if not isinstance(values, Mapping):
            raise TemplateProblem(f"'environment' must be a mapping, not {type(values).__name__}")
        found.update({str(key): "" if value is None else str(value) for key, value in values.items()})
    return found


def new_sent(place: Place, task: Task, scope: Scope, run: RunContext, session: HostSession, rescued: bool) -> Sent:
    """A task that is about to be made ready."""
    templar = place.role.templar
    no_log = truth(task.no_log, False, templar, scope)
    return Sent(
        task,
        place,
        items_of(task, scope, place.role),
        scope,
        check=truth(task.check_mode, session.check, templar, scope),
        diff=truth(task.diff, run.diff, templar, scope) and not no_log,
        name=shown_name(task, scope, place),
        started=time.monotonic(),
        no_log=no_log,
        ignore_errors=truth(task.ignore_errors, False, templar, scope),
        rescued=rescued,
    )


def shown_name(task: Task, scope: Scope, place: Place) -> str:
    """A task's name, rendered where that is possible."""
    if "{{" not in task.name:
        return task.name
    try:
        return str(place.role.templar.render(task.name, scope))
    except (TemplateProblem, NeedsResult):
        return task.name
