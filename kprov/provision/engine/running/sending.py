"""A task made ready and put in line for a host's agent: rendered whole first, so that nothing is sent by halves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kprov.provision.engine import actions
from kprov.provision.engine.roles import Role
from kprov.provision.engine.running.context import RunContext
from kprov.provision.engine.running.loops import condition_against, items_of, label_of
from kprov.provision.engine.running.results import Results
from kprov.provision.engine.running.sent import Item, Sent
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.templating import NeedsResult, Scope, TemplateProblem
from kprov.provision.transport.link import AgentLink


@dataclass(frozen=True)
class _Ready:
    """One round, ready to be sent (`prepared` None: it is skipped)."""

    item: Item
    prepared: actions.Prepared | None = None
    environment: dict[str, str] | None = None
    user: str | None = None


class Sender:
    """Sends a host's tasks.

    Args:
        run: the run's options.
        session: the host.
        link: its agent.
        results: waits for answers.
        before: called with a task before anything of it is sent (it writes down what must be known after a crash).
    """

    def __init__(
        self,
        run: RunContext,
        session: HostSession,
        link: AgentLink,
        results: Results,
        before: Callable[[Sent], None],
    ) -> None:
        self._run = run
        self._session = session
        self._link = link
        self._results = results
        self._before = before

    def send(self, role: Role, task: Task, scope: Scope) -> Sent:
        """Put a task in line, or repeat it until it is as wished.

        Raises:
            TemplateProblem: it cannot be rendered.
            NeedsResult: it reads a result that is not there yet; nothing was sent.
        """
        check = self._session.check if task.check_mode is None else task.check_mode
        diff = (self._run.diff if task.diff is None else task.diff) and not task.no_log
        started = time.monotonic()
        ready = [self._ready(role, task, scope, item) for item in items_of(task, scope, role)]
        sent = Sent(task, role, [one.item for one in ready], scope, check, diff, shown_name(task, scope, role), started)
        if any(one.prepared is not None for one in ready):
            self._before(sent)
        if task.until:
            self._repeat(sent, ready)
            return sent
        go_on = bool(task.ignore_errors) or task.failed_when is not None
        for one in ready:
            self._post(sent, one, go_on)
        return sent

    def _ready(self, role: Role, task: Task, scope: Scope, item: Item) -> _Ready:
        inner = scope.with_layer(item.loop, False) if item.loop else scope
        condition = condition_against(task, inner, role)
        if condition is not None:
            item.result = {"changed": False, "skipped": True, "skip_reason": f"not true: {condition}"}
            return _Ready(item)
        if task.loop is not None:
            item.label = str(role.templar.render(task.label, inner)) if task.label is not None else label_of(item.value)
        arguments = role.templar.render(task.arguments, inner)
        environment = role.templar.render(task.environment, inner).items() if task.environment else ()
        user = role.templar.render(task.become_user, inner) if task.become_user is not None else None
        surroundings = actions.Surroundings(role.templar, inner, role.path / "files")
        return _Ready(
            item,
            actions.prepare(task.module, arguments, surroundings),
            {str(key): str(value) for key, value in environment},
            user,
        )

    def _post(self, sent: Sent, ready: _Ready, go_on: bool) -> None:
        prepared = ready.prepared
        if prepared is None:
            return
        for sha256, source in prepared.contents.items():
            self._link.offer(sha256, source)
        message: dict[str, Any] = {
            "module": prepared.module,
            "arguments": prepared.arguments,
            "queue": self._session.queue,
        }
        if sent.check:
            message["check"] = True
        if sent.diff:
            message["diff"] = True
        if ready.environment:
            message["environment"] = ready.environment
        if ready.user:
            message["become_user"] = str(ready.user)
        if go_on:
            message["go_on"] = True
        ready.item.number = self._link.post("task", **message)

    def _repeat(self, sent: Sent, ready: list[_Ready]) -> None:
        """A task with `until`: each round is sent again until its condition holds."""
        self._results.settle()
        task, templar = sent.task, sent.role.templar
        retries = int(templar.render(task.retries, sent.scope) if task.retries is not None else 3)
        delay = float(templar.render(task.delay, sent.scope))
        for one in ready:
            if one.prepared is None:
                continue
            item = one.item
            for attempt in range(1, retries + 2):
                self._post(sent, one, True)
                assert item.number is not None
                item.result = self._results.wait(item.number)
                item.result["attempts"] = attempt
                if item.result.get("timed_out"):
                    break
                registered = {task.register: item.result} if task.register else {}
                seen = sent.scope.with_layer({**item.loop, **registered}, False)
                if item.result.get("skipped") or all(templar.is_true(condition, seen) for condition in task.until):
                    break
                if attempt <= retries:
                    time.sleep(delay)
            else:
                assert item.result is not None
                words = str(item.result.get("msg") or "")
                item.result.update(
                    failed=True,
                    msg=f"not as wished after {retries + 1} attempts: {task.until[0]}"
                    + (f" ({words})" if words else ""),
                )


def shown_name(task: Task, scope: Scope, role: Role) -> str:
    """A task's name, rendered where that is possible."""
    try:
        return str(role.templar.render(task.name, scope))
    except (TemplateProblem, NeedsResult):
        return task.name
