"""A role's way over one host: tasks are sent without waiting.

Only a task that reads an earlier one's result waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kprov.provision.engine import actions
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.roles import Role
from kprov.provision.engine.running.context import Once, PhaseContext, RunContext
from kprov.provision.engine.running.decisions import decide
from kprov.provision.engine.running.handlers import Handlers
from kprov.provision.engine.running.loops import condition_against, items_of
from kprov.provision.engine.running.results import Results
from kprov.provision.engine.running.sending import Sender, shown_name
from kprov.provision.engine.running.sent import Item, Sent
from kprov.provision.engine.running.stops import EndHost, Stopped
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tags import is_chosen
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.templating import NeedsResult, Scope, TemplateProblem
from kprov.provision.engine.time_limits import TimeLimits
from kprov.provision.transport.errors import Unreachable


class HostRunner:
    """Runs roles on one host.

    Args:
        run: what the hosts of this run share.
        session: the host.
        phase: what the hosts of this phase share.
    """

    def __init__(self, run: RunContext, session: HostSession, phase: PhaseContext) -> None:
        assert session.link is not None
        self._run = run
        self._session = session
        self._phase = phase
        self._handlers = Handlers(session, run.account, run.pending_handlers)
        self._limits = TimeLimits(session.link, run.timeouts)
        self._results = Results(session, session.link, self._limits, run.account, self._handlers.notify)
        self._sender = Sender(run, session, session.link, self._results, self._write_down)

    # -- the whole role

    def run(self, name: str) -> None:
        """Run a role and the handlers that it woke.

        Raises:
            Stopped: a task failed.
            Unreachable: the connection was lost.
        """
        self._session.queue += 1
        self._limits.tell()
        role = self._enter(name)
        try:
            try:
                self._tasks(role, role.tasks["main.yml"], {}, {})
            except EndHost:
                pass
            self._flush_handlers()
        except Stopped:
            self._results.drain()
            self._handlers.remember()
            raise
        except Unreachable:
            self._handlers.remember(self._results.awaited)
            raise

    def _enter(self, name: str) -> Role:
        role = self._run.roles.get(name)
        self._handlers.enter(role)
        return role

    def _flush_handlers(self) -> None:
        self._handlers.flush(lambda role, handler: self._one(role, handler, {}, {}), self._results.settle)

    # -- tasks

    def _chosen(self, task: Task) -> bool:
        tags = task.tags | self._phase.tags
        if task.module.endswith(("_tasks", "_role")):  # what it includes is judged by itself
            return is_chosen(tags - {"never"}, (), self._run.skip_tags)
        return is_chosen(tags, self._run.tags, self._run.skip_tags)

    def _tasks(self, role: Role, tasks: list[Task], variables: Mapping[str, Any], loop: Mapping[str, Any]) -> None:
        for task in tasks:
            if self._chosen(task):
                self._one(role, task, variables, loop)

    def _scope(self, role: Role, task: Task, variables: Mapping[str, Any], loop: Mapping[str, Any]) -> Scope:
        magic = {"role_name": role.name, "role_path": str(role.path), "ansible_play_hosts": self._phase.hosts}
        return self._run.variables.scope(
            self._session,
            role.templar,
            loop=loop,
            task={**variables, **task.variables} if variables or task.variables else {},
            role=role.variables,
            phase=self._phase.variables,
            defaults=role.defaults,
            magic=magic,
        )

    def _one(self, role: Role, task: Task, variables: Mapping[str, Any], loop: Mapping[str, Any]) -> None:
        """Send a task; wait first for what it reads."""
        if over := self._limits.phase_is_over:
            raise self._stop(role, task, over)
        while True:
            scope = self._scope(role, task, variables, loop)
            try:
                if task.module in actions.CONTROL:
                    self._control(role, task, scope, variables, loop)
                elif task.run_once and len(self._phase.hosts) > 1:
                    self._run_once(role, task, scope)
                else:
                    self._send(role, task, scope)
                return
            except NeedsResult as needed:
                if not self._results.awaited:
                    raise self._stop(role, task, f"result '{needed.name}' is read before its task has run") from None
                self._results.settle(needed.name)
            except TemplateProblem as problem:
                # A role that is wrong is reported after what was sent before it has been heard of.
                self._results.settle()
                raise self._stop(role, task, str(problem)) from None

    def _stop(self, role: Role, task: Task, message: str) -> Stopped:
        self._results.settle()
        result = Result(self._session.name, task.name, Status.FAILED, message, location=task.location)
        self._run.account.result(self._session.name, role.name, result)
        return Stopped(result)

    def _send(self, role: Role, task: Task, scope: Scope) -> None:
        # As in Ansible, `when` of a task with a loop is asked for each item; without items nothing is asked.
        if task.loop is not None and task.when and not any(task.loop_var in str(condition) for condition in task.when):
            condition = condition_against(task, scope, role)
            if condition is not None:
                self._skip(role, task, scope, condition)
                return
        sent = self._sender.send(role, task, scope)
        self._results.expect(sent)
        if all(item.result is not None for item in sent.items):
            self._results.settle()
        elif task.failed_when is not None and task.failed_when != (False,):
            self._results.settle()  # only the controller can say whether the next task may start
        else:
            self._results.take_arrived()

    def _write_down(self, sent: Sent) -> None:
        """Before a task is sent: whoever finds this run dead must know that it may have been done."""
        if sent.task.notify and not sent.check:
            self._handlers.expect(sent.role, sent.task)
        sent.number = self._run.account.sent(self._session, sent.role.name, sent.name, check=sent.check)

    def _skip(self, role: Role, task: Task, scope: Scope, condition: str) -> None:
        self._results.settle()
        message = f"not true: {condition}"
        if task.register:
            self._session.registered[task.register] = {"changed": False, "skipped": True, "skip_reason": message}
        self._tell_skipped(role, task, shown_name(task, scope, role), message)

    def _tell_skipped(self, role: Role, task: Task, name: str, message: str) -> None:
        result = Result(self._session.name, name, Status.SKIPPED, message, location=task.location)
        self._run.account.result(self._session.name, role.name, result)

    def _run_once(self, role: Role, task: Task, scope: Scope) -> None:
        """The first host that comes by does it; the others take its result."""
        key = (task.file, task.line)
        with self._phase.lock:
            first = key not in self._phase.once
            once = self._phase.once.setdefault(key, Once())
        if first:
            self._do_once(key, once, role, task, scope)
            return
        once.done.wait()
        if once.failed:
            raise self._stop(role, task, f"it is done once for all hosts, and failed there: {once.failed}")
        if task.register:
            self._session.registered[task.register] = once.result
        self._results.settle()
        self._tell_skipped(role, task, task.name, "done once, on another host")

    def _do_once(self, key: tuple[str, int], once: Once, role: Role, task: Task, scope: Scope) -> None:
        try:
            self._send(role, task, scope)
            self._results.settle()
            if task.register:
                once.result = self._session.registered.get(task.register)
        except NeedsResult:
            with self._phase.lock:
                del self._phase.once[key]
            raise
        except BaseException as error:
            once.failed = str(error) or type(error).__name__
            raise
        finally:
            if key in self._phase.once:
                once.done.set()

    # -- tasks that the controller does by itself

    def _control(
        self, role: Role, task: Task, scope: Scope, variables: Mapping[str, Any], loop: Mapping[str, Any]
    ) -> None:
        started = time.monotonic()
        if task.loop is not None:
            self._results.settle()  # nothing may have to wait half-way through the items
        done: list[Item] = []
        for item in items_of(task, scope, role):
            inner = scope.with_layer(item.loop, False) if item.loop else scope
            condition = condition_against(task, inner, role)
            if condition is not None:
                self._skip(role, task, inner, condition)
                continue
            if task.module.endswith(("_tasks", "_role")):
                self._include(role, task, inner, {**variables, **task.variables}, {**loop, **item.loop})
                continue
            if task.module == "meta":
                self._meta(role.templar.render(task.arguments["action"], inner))
                continue
            done.append(replace(item, result=decide(task, role.templar, inner, self._session)))
        if not done:
            return
        self._results.settle()
        self._results.judge(
            Sent(task, role, done, scope, self._session.check, False, shown_name(task, scope, role), started)
        )

    def _include(
        self, role: Role, task: Task, scope: Scope, variables: Mapping[str, Any], loop: Mapping[str, Any]
    ) -> None:
        if task.module.endswith("_role"):
            other = self._enter(str(role.templar.render(task.arguments["name"], scope)))
            file = str(role.templar.render(task.arguments.get("tasks_from") or "main.yml", scope))
        else:
            other, file = role, str(role.templar.render(task.arguments["file"], scope))
        file = file if file.endswith((".yml", ".yaml")) else file + ".yml"
        if file not in other.tasks:
            raise TemplateProblem(f"role {other.name} has no tasks/{file}")
        for inner in other.tasks[file]:
            merged = replace(inner, tags=inner.tags | task.tags) if task.tags else inner
            if self._chosen(merged):
                self._one(other, merged, variables, loop)

    def _meta(self, action: str) -> None:
        if action == "flush_handlers":
            self._flush_handlers()
        elif action == "end_host":
            self._results.settle()
            raise EndHost
