"""A play's way over one host: tasks are sent without waiting.

Only a task that reads an earlier one's result waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from kprov.provision.engine.control_modules import CONTROL, IMPORTS, INCLUDES
from kprov.provision.engine.documents import RoleErrors
from kprov.provision.engine.interpreter_turn import TURN
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.running.become import truth
from kprov.provision.engine.running.blocks import run_block
from kprov.provision.engine.running.context import PhaseContext, RunContext
from kprov.provision.engine.running.control import Control
from kprov.provision.engine.running.handlers import Handlers
from kprov.provision.engine.running.in_step import InStep
from kprov.provision.engine.running.loops import condition_against, items_of
from kprov.provision.engine.running.once import run_once
from kprov.provision.engine.running.pace import Position
from kprov.provision.engine.running.place import Piece, Place, Section
from kprov.provision.engine.running.results import Results
from kprov.provision.engine.running.sending import Sender, new_sent
from kprov.provision.engine.running.sent import Item, Sent
from kprov.provision.engine.running.stops import EndHost, EndRole, Stopped
from kprov.provision.engine.running.unreachable import Bearing
from kprov.provision.engine.scope import NeedsHost, NeedsResult, Scope, TemplateProblem
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.surprises import surprise
from kprov.provision.engine.tags import is_chosen
from kprov.provision.engine.tasks import Block, Step, Task, is_open
from kprov.provision.engine.time_limits import TimeLimits
from kprov.provision.transport.errors import Unreachable

# Their results are facts of the host.
_BRING_FACTS = frozenset({"setup", "getent", "service_facts", "package_facts", "hostname", "mount_facts"})

# Handlers come after all tasks of their section.
_LAST = 1 << 40


class HostRunner:
    """Runs a play's tasks on one host.

    Args:
        run: what the hosts of this run share.
        session: the host.
        phase: what the hosts of this phase share.
    """

    def __init__(self, run: RunContext, session: HostSession, phase: PhaseContext) -> None:
        self.run = run
        self.session = session
        self.phase = phase
        self.handlers = Handlers(session, run.account, run.pending_handlers, self.scope)
        self.limits = TimeLimits(session.link, run.timeouts, session.state.reason)
        self.results = Results(session, self.limits, run.account, self.handlers.notify, self._learnt)
        self.rescuing = 0
        self.in_step = InStep(self)
        self.done_roles: set[str] = set()
        self._sender = Sender(run, session, self.limits, self.results, self._write_down)
        self._control = Control(self)
        self._bearing = Bearing(self)
        self._stack: list[list[int]] = [[0, 0]]

    # -- the whole play

    def play(self, sections: Sequence[Section]) -> None:
        """Run sections, and after each the handlers that it woke.

        Raises:
            Stopped: a task failed.
            Unreachable: the connection was lost.
        """
        self.session.queue += 1
        self.limits.tell()
        for place in self.phase.handlers:
            self.handlers.enter(place)
        try:
            try:
                for index, section in enumerate(sections):
                    self._stack = [[index, 0]]
                    for piece in section.pieces:
                        self.piece(piece)
                    self._stack = [[index, _LAST]]
                    if index + 1 == len(sections):
                        self.handlers.begin_all()
                    self.flush_handlers()
            except EndHost:
                self.flush_handlers()
            self.results.settle()
            self.handlers.end()
        except Stopped:
            self.results.drain()
            self._after_failure()
            raise
        except Unreachable:
            self.handlers.remember(self.results.awaited)
            raise
        except Exception as error:
            broken = surprise(self.session.name, error, self.run.account)
            if broken is None:
                raise
            self.handlers.remember(self.results.awaited)
            raise broken from error

    def _after_failure(self) -> None:
        """A host that failed leaves its handlers for the next run, unless they are to run all the same."""
        if self.phase.force_handlers:
            self.in_step.is_over = True  # nothing keeps these from running any more
            self.session.queue += 1
            try:
                self.flush_handlers()
            except Stopped:
                self.results.drain()
        self.handlers.remember()

    def piece(self, piece: Piece) -> None:
        """Run what stands in one place; a role's entry that was run before is passed over."""
        self.handlers.enter(piece.place)
        if piece.steps and (self._stack[0][0] > 0 or not piece.place.role.is_play):
            self.handlers.begin(piece.place.role)
        if piece.once_key:
            if piece.once_key in self.done_roles:
                return
            self.done_roles.add(piece.once_key)
        try:
            self._control.check_arguments(piece.place, "main")
            self.steps(piece.place, piece.steps)
        except EndRole:
            pass

    def flush_handlers(self) -> None:
        """Run the handlers that are due."""
        self.handlers.flush(self.one, self.results.settle, self._obstacle)

    def _obstacle(self, place: Place, task: Task) -> str:
        """What keeps a task from being rendered; empty where nothing does."""
        task = place.complete(task)
        scope, role = self.scope(place, task), place.role
        try:
            for item in items_of(task, scope, role):
                inner = scope.with_layer(item.loop, False)
                if condition_against(task, inner, role) is None:
                    role.templar.render(task.arguments, inner)
        except TemplateProblem as problem:
            return str(problem)
        except NeedsResult:
            return ""
        return ""

    # -- tasks

    def steps(self, place: Place, steps: Sequence[Step]) -> None:
        """Run tasks and blocks in order."""
        self._stack[-1][1] += 1
        self._stack.append([0, 0])
        try:
            for step in steps:
                self._stack[-1] = [self._stack[-1][0] + 1, 0]
                if isinstance(step, Block):
                    run_block(self, place, step)
                elif self.is_chosen(place, step):
                    self.one(place, step)
        finally:
            self._stack.pop()

    def part(self, place: Place, block: Block, number: int) -> None:
        """Run a part of a block: 1 its tasks, 2 its `rescue`, 3 its `always`; all hosts that go together end it."""
        self._stack[-1][1] = number - 1
        self.steps(place, (block.steps, block.rescue, block.always)[number - 1])
        self.results.settle()
        self._stack.append([_LAST, 0])
        try:
            self.in_step.at_end_of(place, block.name or "the end of a block")
        finally:
            self._stack.pop()

    def is_chosen(self, place: Place, task: Task) -> bool:
        """Whether a task's tags, and those of what is around it, let it be done."""
        tags = task.tags | self.phase.tags | (place.frame.tags if place.frame is not None else frozenset())
        if tags and is_open(tuple(tags)):
            tags = self._rendered_tags(place, task, tags)
        if task.module in IMPORTS:  # what it brings is judged by itself
            return is_chosen(tags - {"never"}, (), self.run.skip_tags)
        if task.module in INCLUDES and not self.run.become_by_keyword:
            return is_chosen(tags - {"never"}, (), self.run.skip_tags)
        if task.module == "meta" and not task.tags:
            return True
        return is_chosen(tags, self.run.tags, self.run.skip_tags)

    def _rendered_tags(self, place: Place, task: Task, tags: frozenset[str]) -> frozenset[str]:
        """Tags that are templates, by the host's variables; one that gives a list is several."""
        while True:
            try:
                found = place.role.templar.render(sorted(tags), self.scope(place, task))
                return frozenset(str(tag) for one in found for tag in (one if isinstance(one, list) else [one]))
            except NeedsHost as needed_host:
                raise self.stop(place, task, f"tags: {needed_host.name} of another host is not known yet") from None
            except NeedsResult as needed:
                if not self.results.awaited:
                    raise self.stop(place, task, f"tags: '{needed.name}' is not known yet") from None
                self.results.settle(needed.name)
            except TemplateProblem as problem:
                raise self.stop(place, task, f"tags: {problem}") from None

    @property
    def position(self) -> Position:
        """Where in the play the host is: at each level the number of the step, and of what it brought."""
        return tuple(chain.from_iterable(self._stack))

    def scope(self, place: Place, task: Task) -> Scope:
        """What a task sees."""
        return self.run.variables.of_task(self.session, self.phase, place, task, self._before_reading)

    def _before_reading(self, host: str, name: str) -> None:
        """A variable of another host is about to be read."""
        pace = self.phase.pace
        if pace is not None and name in self.run.shared_names and pace.is_behind(host, self.position):
            raise NeedsHost(host, name)

    def one(self, place: Place, task: Task) -> None:
        """Do a task; wait first for what it reads."""
        task = place.complete(task)
        if over := self.limits.phase_is_over:
            raise self.stop(place, task, over)
        self.in_step.before(place, task)
        if self._bearing.is_asked(place, task):
            self._bearing.do(place, task, lambda: self._one(place, task))
        else:
            self._one(place, task)

    def _one(self, place: Place, task: Task) -> None:
        pace = self.phase.pace
        while True:
            self.tell_position()
            scope = self.scope(place, task)
            try:
                if self._is_once(place, task, scope):
                    run_once(self, place, task, scope)
                    return
                self.do(place, task, scope)
                return
            except NeedsHost as needed_host:
                self.results.settle()
                self.tell_position()
                assert pace is not None
                pace.wait_for(needed_host.host, self.position)
            except NeedsResult as needed:
                if not self.results.awaited:
                    raise self.stop(place, task, f"result '{needed.name}' is read before its task has run") from None
                self.results.settle(needed.name)
            except (TemplateProblem, RoleErrors) as problem:
                # A role that is wrong is reported after what was sent before it has been heard of.
                self.results.settle()
                if isinstance(problem, TemplateProblem) and self._is_ignored(place, task, scope):
                    self._pass_over(place, task, str(problem))
                    return
                raise self.stop(place, task, str(problem)) from None

    def _is_once(self, place: Place, task: Task, scope: Scope) -> bool:
        """Whether one host does the task for all."""
        if len(self.phase.hosts) < 2 or task.module in IMPORTS:
            return False
        if task.module == "meta":
            return task.arguments.get("action") in ("end_play", "end_batch")
        if task.module == "add_host":
            return True
        return truth(task.run_once, False, place.role.templar, scope)

    def do(self, place: Place, task: Task, scope: Scope) -> None:
        """Do a task here and now."""
        if task.module in CONTROL:
            self._control.do(place, task, scope)
        elif task.throttle is not None:
            limit = int(place.role.templar.render(task.throttle, scope))
            with TURN.holding(self.phase.throttle(task, max(1, limit))):
                self._send(place, task, scope)
                self.results.settle()
        else:
            self._send(place, task, scope)

    def _is_ignored(self, place: Place, task: Task, scope: Scope) -> bool:
        """Whether the task's failure is none; what includes and meta bring has its own say."""
        if task.module in INCLUDES or task.module == "meta":
            return False
        return truth(task.ignore_errors, False, place.role.templar, scope)

    def _pass_over(self, place: Place, task: Task, message: str) -> None:
        """A task that cannot be done, and need not be."""
        data: dict[str, Any] = {"failed": True, "changed": False, "msg": message}
        if task.register:
            self.session.registered[task.register] = data
        words = f"ignored: {message}"
        result = Result(self.session.name, task.name, Status.OK, words, data=data, location=task.location)
        self.run.account.result(self.session.name, place.role.name, result)

    def stop(self, place: Place, task: Task, message: str) -> Stopped:
        """What to raise for a task that cannot be done."""
        self.results.settle()
        status = Status.RESCUED if self.rescuing else Status.FAILED
        data: dict[str, Any] = {"failed": True, "changed": False, "msg": message}
        if task.register:
            self.session.registered[task.register] = data
        result = Result(self.session.name, task.name, status, message, data=data, location=task.location)
        self.run.account.result(self.session.name, place.role.name, result)
        return Stopped(result, task)

    def _send(self, place: Place, task: Task, scope: Scope) -> None:
        sent = new_sent(place, task, scope, self.run, self.session, bool(self.rescuing))
        sent.position = self.position
        self._sender.send(place, task, scope, sent)
        self.results.expect(sent)
        if sent.is_answered:
            self.results.settle()
        elif task.failed_when is not None and task.failed_when != (False,):
            self.results.settle()  # only the controller can say whether the next task may start
        elif task.module in _BRING_FACTS:
            self.results.settle()  # any later task may read them, by whatever name
        else:
            self.results.take_arrived()

    def _write_down(self, sent: Sent) -> None:
        """Before a task is sent: whoever finds this run dead must know that it may have been done."""
        self._bearing.before(sent.task)
        if sent.task.notify and not sent.check:
            self.handlers.expect(sent)
        sent.number = self.run.account.sent(self.session, sent.place.role.name, sent.name, check=sent.check)

    def _learnt(self, sent: Sent, item: Item, facts: dict[str, Any]) -> None:
        if sent.task.module == "set_fact":  # these are facts only where they say so, and are known then
            return
        if item.delegated_to and truth(sent.task.delegate_facts, False, sent.place.role.templar, sent.scope):
            self.run.delegate(item.delegated_to)[0].learn(facts)
        else:
            self.session.learn(facts)

    # -- other hosts

    def tell_position(self) -> None:
        """How far the host is, for those that wait for it."""
        pace = self.phase.pace
        if pace is not None:
            awaited = self.results.awaited
            pace.reached(self.session.name, awaited[0].position if awaited else self.position)
