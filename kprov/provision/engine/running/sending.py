"""A task made ready and put in line for a host's agent: rendered whole first, so that nothing is sent by halves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from kprov.provision.engine import actions
from kprov.provision.engine.errands.catalogue import ERRANDS, ON_THE_HOST_ITSELF
from kprov.provision.engine.interpreter_turn import TURN
from kprov.provision.engine.module_names import refuse_left_out
from kprov.provision.engine.running import background
from kprov.provision.engine.running.become import truth, user_of
from kprov.provision.engine.running.context import RunContext
from kprov.provision.engine.running.delegated import seen_there
from kprov.provision.engine.running.loops import condition_against, items_of, label_of, skipped_by
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.running.ready import Ready, post
from kprov.provision.engine.running.results import Results
from kprov.provision.engine.running.rounds import one_by_one
from kprov.provision.engine.running.sent import Item, Sent
from kprov.provision.engine.scope import OMIT, NeedsResult, Scope, TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task, is_open
from kprov.provision.engine.templating import Templar
from kprov.provision.engine.time_limits import TimeLimits


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
            one_by_one(self._run, sent, ready, session, limits)
            return
        go_on = sent.ignore_errors or task.failed_when is not None
        for one in due:
            post(sent, one, go_on, session, limits.link, more=one is not due[-1])

    def _ready(self, place: Place, task: Task, scope: Scope, item: Item, session: HostSession) -> Ready:
        templar = place.role.templar
        inner = scope.with_layer(item.loop, False) if item.loop else scope
        condition = condition_against(task, inner, place.role)
        if condition is not None:
            item.result = skipped_by(condition)
            return Ready(item)
        if task.unsupported:
            raise TemplateProblem(task.unsupported)
        if task.loop is not None:
            label = task.control.label
            item.label = str(templar.render(label, inner)) if label is not None else label_of(item.value)
        arguments = templar.render(task.arguments, inner)
        try:
            prepared = actions.prepare(task.module, arguments, actions.Surroundings(templar, inner))
        except KeyError:
            refuse_left_out(task.module, arguments)
            raise
        return Ready(
            item,
            prepared,
            environment_of(task, templar, inner),
            user_of(task, templar, inner, session, self._run),
            background.job_of(task, templar, inner),
        )


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
