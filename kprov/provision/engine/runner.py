"""A role's way over one host: tasks are sent without waiting.

Only a task that reads an earlier one's result waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from kprov.provision.engine import actions
from kprov.provision.engine.journal import Journal
from kprov.provision.engine.pending_handlers import PendingHandlers
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.roles import Role, Roles
from kprov.provision.engine.secrets import CENSORED
from kprov.provision.engine.session import HostSession, Variables
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.templating import AWAITED, NeedsResult, Scope, TemplateProblem
from kprov.provision.transport.errors import Unreachable


class Stopped(Exception):
    """The host stops here.

    Args:
        result: what stopped it.
    """

    def __init__(self, result: Result) -> None:
        super().__init__(result.message)
        self.result = result


class EndHost(Exception):
    """The host is done early (meta: end_host)."""


class Surroundings(Protocol):
    """What the runner needs of the engine."""

    check: bool
    diff: bool
    tags: frozenset[str]
    skip_tags: frozenset[str]
    roles: Roles
    variables: Variables
    journal: Journal
    pending_handlers: PendingHandlers

    def report(self, session: HostSession, role: str, result: Result) -> None:
        """Tell reporter, journal and summary."""

    def report_sent(self, session: HostSession, role: str, task: str) -> None:
        """Tell that a task is on its way."""


@dataclass
class Once:
    """A run_once task's result, for all hosts of the phase."""

    done: threading.Event = field(default_factory=threading.Event)
    result: dict[str, Any] | None = None
    status: Status = Status.OK
    failed: str = ""


@dataclass
class PhaseContext:
    """What all hosts of a phase share."""

    variables: Mapping[str, Any]
    hosts: list[str]
    once: dict[tuple[str, int], Once] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class _Item:
    """One sending of a task: the task itself, or one round of its loop."""

    value: Any = None
    label: str = ""
    loop: dict[str, Any] = field(default_factory=dict)
    number: int | None = None
    result: dict[str, Any] | None = None
    sent: float = 0.0


@dataclass
class _Sent:
    """A task whose results are awaited."""

    task: Task
    role: Role
    items: list[_Item]
    scope: Scope
    check: bool
    diff: bool
    name: str
    started: float


class HostRunner:
    """Runs roles on one host.

    Args:
        engine: see Surroundings.
        session: the host.
        phase: what the hosts of this phase share.
    """

    def __init__(self, engine: Surroundings, session: HostSession, phase: PhaseContext) -> None:
        self._engine = engine
        self._session = session
        self._phase = phase
        self._awaited: list[_Sent] = []
        self._notified: dict[str, set[str]] = {}
        self._maybe: dict[str, set[str]] = {}
        self._roles: dict[str, Role] = {}
        assert session.link is not None
        self._link = session.link

    # -- the whole role

    def run(self, name: str) -> None:
        """Run a role and the handlers that it woke.

        Raises:
            Stopped: a task failed.
            Unreachable: the connection was lost.
        """
        self._session.queue += 1
        role = self._enter(name)
        try:
            try:
                self._tasks(role, role.tasks["main.yml"], {}, {})
            except EndHost:
                pass
            self._settle()
            self._flush_handlers()
        except Stopped:
            self._drain()
            self._remember()
            raise
        except Unreachable:
            self._remember(lost=True)
            raise

    def _enter(self, name: str) -> Role:
        role = self._engine.roles.get(name)
        if name not in self._roles:
            self._roles[name] = role
            known = {handler.name for handler in role.handlers}
            due = self._engine.pending_handlers.due(self._session.name, name) & known
            self._notified[name] = due
            self._maybe[name] = set(due)
        return role

    def _remember(self, lost: bool = False) -> None:
        """Keep which handlers are due for the next run; of tasks without an answer, all that they might have woken."""
        for name, notified in self._notified.items():
            due = set(notified)
            if lost:
                for sent in self._awaited:
                    if sent.role.name == name:
                        due |= {
                            handler.name for word in sent.task.notify for handler in sent.role.handlers_for(str(word))
                        }
            self._engine.pending_handlers.set(self._session.name, name, due)

    # -- tasks

    def _chosen(self, task: Task) -> bool:
        tags, skip = self._engine.tags, self._engine.skip_tags
        if "never" in task.tags and not (task.tags & tags):
            return False
        if task.tags & skip:
            return False
        return (
            not tags
            or "all" in tags
            or bool(task.tags & tags)
            or "always" in task.tags
            or task.module.endswith(("_tasks", "_role"))
        )

    def _tasks(self, role: Role, tasks: list[Task], variables: Mapping[str, Any], loop: Mapping[str, Any]) -> None:
        for task in tasks:
            if self._chosen(task):
                self._one(role, task, variables, loop)

    def _scope(self, role: Role, task: Task, variables: Mapping[str, Any], loop: Mapping[str, Any]) -> Scope:
        magic = {"role_name": role.name, "role_path": str(role.path), "ansible_play_hosts": self._phase.hosts}
        return self._engine.variables.scope(
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
                if not self._awaited:
                    raise self._stop(role, task, f"result '{needed.name}' is read before its task has run") from None
                self._settle(needed.name)
            except TemplateProblem as problem:
                # A role that is wrong is reported after what was sent before it has been heard of.
                self._settle()
                raise self._stop(role, task, str(problem)) from None

    def _stop(self, role: Role, task: Task, message: str) -> Stopped:
        self._settle()
        result = Result(self._session.name, task.name, Status.FAILED, message, location=task.location)
        self._engine.report(self._session, role.name, result)
        return Stopped(result)

    def _items(self, task: Task, scope: Scope, role: Role) -> list[_Item]:
        if task.loop is None:
            return [_Item()]
        values = role.templar.render(task.loop, scope)
        if isinstance(values, Mapping) or not isinstance(values, (list, tuple)):
            hint = "; write | dict2items" if isinstance(values, Mapping) else ""
            raise TemplateProblem(f"loop must be a list, not {type(values).__name__}{hint}")
        items: list[_Item] = []
        for index, value in enumerate(values):
            loop = {task.loop_var: value}
            if task.index_var:
                loop[task.index_var] = index
            items.append(_Item(value=value, loop=loop, label=str(index)))
        return items

    def _is_due(self, task: Task, scope: Scope, role: Role) -> str | None:
        """None when a task is to be done, else the condition that says no."""
        for condition in task.when:
            if not role.templar.is_true(condition, scope):
                return str(condition)
        return None

    def _name(self, task: Task, scope: Scope, role: Role) -> str:
        try:
            return str(role.templar.render(task.name, scope))
        except (TemplateProblem, NeedsResult):
            return task.name

    def _send(self, role: Role, task: Task, scope: Scope) -> None:
        sent = self._prepare(role, task, scope)
        if sent is None:
            return
        if task.notify and not sent.check:
            self._expect(role, task)
        self._awaited.append(sent)
        if task.register:
            self._session.registered[task.register] = AWAITED
        if all(item.result is not None for item in sent.items):
            self._settle()
        elif task.failed_when is not None and task.failed_when != (False,):
            self._settle()  # only the controller can say whether the next task may start
        else:
            self._link.poll(self._arrived)
            self._conclude()

    def _prepare(self, role: Role, task: Task, scope: Scope) -> _Sent | None:
        """Render a task whole, then put it in line (nothing is sent when any of it must wait)."""
        engine = self._engine
        check = engine.check if task.check_mode is None else task.check_mode
        diff = (engine.diff if task.diff is None else task.diff) and not task.no_log
        started = time.monotonic()
        # As in Ansible, `when` of a task with a loop is asked for each item; without items nothing is asked.
        if task.loop is not None and task.when and not any(task.loop_var in str(condition) for condition in task.when):
            condition = self._is_due(task, scope, role)
            if condition is not None:
                self._skip(role, task, scope, condition)
                return None
        prepared: list[tuple[_Item, actions.Prepared | None, dict[str, str], str | None]] = []
        for item in self._items(task, scope, role):
            inner = scope.with_layer(item.loop, False) if item.loop else scope
            condition = self._is_due(task, inner, role)
            if condition is not None:
                item.result = {"changed": False, "skipped": True, "skip_reason": f"not true: {condition}"}
                prepared.append((item, None, {}, None))
                continue
            if task.loop is not None:
                item.label = (
                    str(role.templar.render(task.label, inner)) if task.label is not None else _label(item.value)
                )
            arguments = role.templar.render(task.arguments, inner)
            environment = (
                {str(k): str(v) for k, v in role.templar.render(task.environment, inner).items()}
                if task.environment
                else {}
            )
            user = role.templar.render(task.become_user, inner) if task.become_user is not None else None
            surroundings = actions.Surroundings(role.templar, inner, role.path / "files")
            prepared.append((item, actions.prepare(task.module, arguments, surroundings), environment, user))
        name = self._name(task, scope, role)
        if task.until:
            return self._until(role, task, scope, prepared, check, diff, name, started)
        go_on = bool(task.ignore_errors) or task.failed_when is not None
        for item, ready, environment, user in prepared:
            if ready is not None:
                self._post(item, ready, environment, user, check, diff, go_on)
        if any(ready is not None for _, ready, _, _ in prepared):
            engine.report_sent(self._session, role.name, name)
        return _Sent(task, role, [item for item, *_ in prepared], scope, check, diff, name, started)

    def _post(
        self,
        item: _Item,
        ready: actions.Prepared,
        environment: dict[str, str],
        user: str | None,
        check: bool,
        diff: bool,
        go_on: bool,
    ) -> None:
        for sha256, source in ready.contents.items():
            self._link.offer(sha256, source)
        message: dict[str, Any] = {"module": ready.module, "arguments": ready.arguments, "queue": self._session.queue}
        if check:
            message["check"] = True
        if diff:
            message["diff"] = True
        if environment:
            message["environment"] = environment
        if user:
            message["become_user"] = str(user)
        if go_on:
            message["go_on"] = True
        item.sent = time.monotonic()
        item.number = self._link.post("task", **message)

    def _until(
        self,
        role: Role,
        task: Task,
        scope: Scope,
        prepared: list[tuple[_Item, actions.Prepared | None, dict[str, str], str | None]],
        check: bool,
        diff: bool,
        name: str,
        started: float,
    ) -> _Sent:
        """A task that is repeated until it is as wished."""
        self._settle()
        retries = int(role.templar.render(task.retries, scope) if task.retries is not None else 3)
        delay = float(role.templar.render(task.delay, scope))
        for item, ready, environment, user in prepared:
            if ready is None:
                continue
            for attempt in range(1, retries + 2):
                self._post(item, ready, environment, user, check, diff, True)
                assert item.number is not None
                item.result = self._link.wait(item.number)["result"]
                item.result["attempts"] = attempt
                seen = scope.with_layer({**item.loop, **({task.register: item.result} if task.register else {})}, False)
                if item.result.get("skipped") or all(role.templar.is_true(condition, seen) for condition in task.until):
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
        return _Sent(task, role, [item for item, *_ in prepared], scope, check, diff, name, started)

    def _skip(self, role: Role, task: Task, scope: Scope, condition: str) -> None:
        self._settle()
        message = f"not true: {condition}"
        if task.register:
            self._session.registered[task.register] = {"changed": False, "skipped": True, "skip_reason": message}
        name = self._name(task, scope, role)
        self._engine.report(
            self._session, role.name, Result(self._session.name, name, Status.SKIPPED, message, location=task.location)
        )

    def _run_once(self, role: Role, task: Task, scope: Scope) -> None:
        """The first host that comes by does it; the others take its result."""
        key = (task.file, task.line)
        with self._phase.lock:
            first = key not in self._phase.once
            once = self._phase.once.setdefault(key, Once())
        if first:
            try:
                self._send(role, task, scope)
                self._settle()
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
            return
        once.done.wait()
        if once.failed:
            raise self._stop(role, task, f"it is done once for all hosts, and failed there: {once.failed}")
        if task.register:
            self._session.registered[task.register] = once.result
        self._settle()
        self._engine.report(
            self._session,
            role.name,
            Result(self._session.name, task.name, Status.SKIPPED, "done once, on another host", location=task.location),
        )

    # -- results

    def _arrived(self, number: int, frame: dict[str, Any]) -> None:
        for sent in self._awaited:
            for item in sent.items:
                if item.number == number:
                    item.result = frame["result"]
                    return

    def _settle(self, name: str | None = None) -> None:
        """Wait for answers: all, or up to the task that registers `name`."""
        while self._awaited:
            if name is not None and self._session.registered.get(name) is not AWAITED:
                return
            sent = self._awaited[0]
            for item in sent.items:
                if item.result is None:
                    assert item.number is not None
                    item.result = self._link.wait(item.number)["result"]
            self._conclude()

    def _conclude(self) -> None:
        """Judge tasks whose answers are all there, in order."""
        while self._awaited and all(item.result is not None for item in self._awaited[0].items):
            self._judge(self._awaited.pop(0))

    def _drain(self) -> None:
        """After a failure: hear what the agent says to what was sent after it, which it did not do."""
        for sent in self._awaited:
            for item in sent.items:
                if item.result is None and item.number is not None:
                    self._link.wait(item.number)
            if sent.task.register:
                self._session.registered.pop(sent.task.register, None)
        self._awaited.clear()

    def _judge(self, sent: _Sent) -> None:
        task, role = sent.task, sent.role
        problem = ""
        for item in sent.items:
            assert item.result is not None
            result = item.result
            result.setdefault("changed", False)
            result.setdefault("failed", False)
            if result.get("skipped") or result.get("not_run"):
                continue
            seen = sent.scope.with_layer({**item.loop, **({task.register: result} if task.register else {})}, False)
            try:
                if task.failed_when is not None:
                    result["failed"] = any(role.templar.is_true(condition, seen) for condition in task.failed_when)
                    if result["failed"]:
                        result["msg"] = result.get("msg") or f"failed_when is true: {task.failed_when[0]}"
                if task.changed_when is not None and not result["failed"]:
                    result["changed"] = any(role.templar.is_true(condition, seen) for condition in task.changed_when)
            except (TemplateProblem, NeedsResult) as error:
                result["failed"], problem = True, str(error)
                result["msg"] = problem
        whole = self._whole(sent)
        if task.register:
            self._session.registered[task.register] = whole
        facts = whole.get("ansible_facts")
        if isinstance(facts, dict):
            self._session.learn(facts)
        self._tell(sent, whole)

    def _whole(self, sent: _Sent) -> dict[str, Any]:
        """The result as `register` keeps it."""
        if sent.task.loop is None:
            assert sent.items[0].result is not None
            return sent.items[0].result
        results = []
        for item in sent.items:
            assert item.result is not None
            results.append({**item.result, sent.task.loop_var: item.value, "ansible_loop_var": sent.task.loop_var})
        done = [result for result in results if not result.get("skipped")]
        return {
            "changed": any(result["changed"] for result in results),
            "failed": any(result["failed"] for result in results),
            "skipped": not done,
            "results": results,
            "msg": "all items done" if done else ("no items" if not results else "all items skipped"),
        }

    def _tell(self, sent: _Sent, whole: dict[str, Any]) -> None:
        task = sent.task
        failed = [item for item in sent.items if item.result and item.result["failed"]]
        ignored = bool(task.ignore_errors) and bool(failed)
        if failed and not ignored:
            status = Status.FAILED
        elif whole.get("skipped"):
            status = Status.SKIPPED
        else:
            status = Status.CHANGED if whole["changed"] else Status.OK
        messages = []
        if failed:
            for item in failed:
                assert item.result is not None
                text = str(item.result.get("msg") or "failed")
                messages.append(f"{item.label}: {text}" if task.loop is not None else text)
        elif status is Status.SKIPPED:
            messages.append(str(whole.get("skip_reason") or whole.get("msg") or ""))
        else:
            shown = [
                item.result
                for item in sent.items
                if item.result and (item.result.get("changed") or item.result.get("debug"))
            ]
            messages += [str(result["msg"]) for result in shown if result.get("msg") is not None]
        diff = "".join(str(item.result.get("diff") or "") for item in sent.items if item.result)
        message = ("ignored: " if ignored else "") + "; ".join(dict.fromkeys(messages))
        if task.no_log:
            diff, message = "", CENSORED if message else ""
        result = Result(
            self._session.name,
            sent.name,
            status,
            message,
            diff,
            whole,
            round(time.monotonic() - sent.started, 4),
            location=task.location,
        )
        if status is Status.CHANGED:
            self._notify(sent)
        self._engine.report(self._session, sent.role.name, result)
        if status is Status.FAILED:
            raise Stopped(result)

    # -- handlers

    def _expect(self, role: Role, task: Task) -> None:
        """Write down, before a task is sent, that its handlers may be due."""
        words = {handler.name for word in task.notify for handler in role.handlers_for(str(word))}
        if not words <= self._maybe[role.name]:
            self._maybe[role.name] |= words
            self._engine.pending_handlers.set(self._session.name, role.name, set(self._maybe[role.name]))

    def _notify(self, sent: _Sent) -> None:
        for word in sent.task.notify:
            text = str(sent.role.templar.render(word, sent.scope))
            handlers = sent.role.handlers_for(text)
            if not handlers:
                result = Result(
                    self._session.name,
                    sent.name,
                    Status.FAILED,
                    f"role {sent.role.name} has no handler '{text}'",
                    location=sent.task.location,
                )
                self._engine.report(self._session, sent.role.name, result)
                raise Stopped(result)
            self._notified[sent.role.name] |= {handler.name for handler in handlers}

    def _flush_handlers(self) -> None:
        """Run the handlers that are due, in their file's order."""
        self._settle()
        for name, role in list(self._roles.items()):
            ran: set[str] = set()
            while True:
                due = [handler for handler in role.handlers if handler.name in self._notified[name] - ran]
                if not due:
                    break
                for handler in due:
                    ran.add(handler.name)
                    self._one(role, handler, {}, {})
                self._settle()
            self._notified[name] = set()
            self._maybe[name] = set()
            self._engine.pending_handlers.set(self._session.name, name, set())

    # -- tasks that the controller does by itself

    def _control(
        self, role: Role, task: Task, scope: Scope, variables: Mapping[str, Any], loop: Mapping[str, Any]
    ) -> None:
        started = time.monotonic()
        if task.loop is not None:
            self._settle()  # nothing may have to wait half-way through the items
        done: list[tuple[dict[str, Any], _Item]] = []
        for item in self._items(task, scope, role):
            inner = scope.with_layer(item.loop, False) if item.loop else scope
            condition = self._is_due(task, inner, role)
            if condition is not None:
                self._skip(role, task, inner, condition)
                continue
            if task.module.endswith(("_tasks", "_role")):
                self._include(role, task, inner, {**variables, **task.variables}, {**loop, **item.loop})
                continue
            if task.module == "meta":
                self._meta(role.templar.render(task.arguments["action"], inner))
                continue
            done.append((self._decide(role, task, inner), item))
        if not done:
            return
        self._settle()
        name = self._name(task, scope, role)
        items = [_Item(item.value, str(item.label), item.loop, result=result) for result, item in done]
        self._judge(_Sent(task, role, items, scope, self._engine.check, False, name, started))

    def _decide(self, role: Role, task: Task, scope: Scope) -> dict[str, Any]:
        """set_fact, assert, fail, debug."""
        templar = role.templar
        if task.module == "set_fact":
            values = templar.render({key: value for key, value in task.arguments.items() if key != "cacheable"}, scope)
            self._session.registered.update(values)
            return {"changed": False, "ansible_facts": {}}
        if task.module == "assert":
            that = task.arguments["that"]
            for condition in that if isinstance(that, list) else [that]:
                if not templar.is_true(condition, scope):
                    text = task.arguments.get("fail_msg") or task.arguments.get("msg")
                    return {
                        "failed": True,
                        "msg": str(templar.render(text, scope)) if text else f"not true: {condition}",
                        "assertion": str(condition),
                    }
            return {"changed": False}
        if task.module == "fail":
            return {"failed": True, "msg": str(templar.render(task.arguments["msg"], scope))}
        if "var" in task.arguments:
            shown = templar.evaluate(str(task.arguments["var"]), scope)
            return {"changed": False, "msg": f"{task.arguments['var']}: {shown}", "debug": True}
        return {
            "changed": False,
            "msg": templar.render(task.arguments.get("msg", "Hello world!"), scope),
            "debug": True,
        }

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
            merged = inner if not task.tags else _tagged(inner, task)
            if self._chosen(merged):
                self._one(other, merged, variables, loop)

    def _meta(self, action: str) -> None:
        if action == "flush_handlers":
            self._flush_handlers()
        elif action == "end_host":
            self._settle()
            raise EndHost


def _tagged(task: Task, outer: Task) -> Task:
    return replace(task, tags=task.tags | outer.tags)


def _label(value: Any) -> str:
    """How an item is named in messages."""
    if isinstance(value, Mapping):
        for key in ("name", "path", "dest", "key"):
            if key in value:
                return str(value[key])
    return str(value)[:80]
