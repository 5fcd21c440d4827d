"""Answers of a host's agent: awaited in order, judged by the task's own words, registered and told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kprov.provision.engine.account import Account
from kprov.provision.engine.output_lines import add_lines
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.running.sent import Item, Sent
from kprov.provision.engine.running.stops import Stopped
from kprov.provision.engine.scope import AWAITED, NeedsResult, TemplateProblem
from kprov.provision.engine.secrets import CENSORED
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.time_limits import TimeLimits


class Results:
    """A host's answers.

    Args:
        session: the host.
        limits: waits for its agent's answers.
        account: told of each task's end.
        changed: called with a task that changed something, before it is told (it wakes handlers).
        learnt: called with facts that a task found out: the task, its round, the facts.
    """

    def __init__(
        self,
        session: HostSession,
        limits: TimeLimits,
        account: Account,
        changed: Callable[[Sent], None],
        learnt: Callable[[Sent, Item, dict[str, Any]], None],
    ) -> None:
        self._session = session
        self._limits = limits
        self._account = account
        self._changed = changed
        self._learnt = learnt
        self.awaited: list[Sent] = []
        self._items: dict[int, Item] = {}  # awaited, by the numbers of the requests

    # -- waiting

    def expect(self, sent: Sent) -> None:
        """Put a task in line; what registers is known to come."""
        self.awaited.append(sent)
        for item in sent.items:
            if item.number is not None and item.result is None:
                self._items[item.number] = item
        if sent.task.register:
            self._session.registered[sent.task.register] = AWAITED

    def take_arrived(self) -> None:
        """Judge what has arrived, without waiting."""
        self._limits.link.poll(self._arrived)
        self._conclude()

    def _arrived(self, number: int, frame: dict[str, Any]) -> None:
        item = self._items.pop(number, None)
        if item is not None:
            item.result = frame["result"]

    def wait(self, number: int) -> dict[str, Any]:
        """The answer to the request that is the next to be answered."""
        self._items.pop(number, None)
        answer = self._limits.link.answered(number) or self._limits.wait(number)
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, sent: Sent) -> None:
        """Wait for the answers to what was sent of a task; nothing sent before it may be awaited."""
        for item in sent.items:
            if item.result is None and item.number is not None:
                item.result = self.wait(item.number)

    def settle(self, name: str | None = None) -> None:
        """Wait for answers: all, or up to the task that registers `name`.

        Raises:
            Stopped: one of the tasks failed.
        """
        while self.awaited:
            if name is not None and self._session.registered.get(name) is not AWAITED:
                return
            sent = self.awaited[0]
            for item in sent.items:
                if item.result is None:
                    assert item.number is not None
                    item.result = self.wait(item.number)
            self._conclude()

    def _conclude(self) -> None:
        """Judge tasks whose answers are all there, in order."""
        while self.awaited and self.awaited[0].is_answered:
            self.judge(self.awaited.pop(0))

    def forget(self) -> list[int]:
        """What is awaited never comes. Returns: under which numbers it is journalled."""
        numbers = [sent.number for sent in self.awaited if sent.number is not None]
        self.awaited.clear()
        self._items.clear()
        return numbers

    def drain(self) -> None:
        """After a failure: hear what the agent says to what was sent after it, which it did not do."""
        for sent in self.awaited:
            for item in sent.items:
                if item.result is None and item.number is not None:
                    self._limits.wait(item.number)
            if sent.task.register:
                self._session.registered.pop(sent.task.register, None)
        self._account.not_run(self._session.name, [sent.number for sent in self.awaited if sent.number is not None])
        self.awaited.clear()
        self._items.clear()

    # -- judging

    def judge(self, sent: Sent) -> None:
        """Say what became of a task whose answers are there.

        Raises:
            Stopped: it failed.
        """
        for item in sent.items:
            if not item.judged:
                judge_item(sent, item)
        whole = _whole(sent)
        if sent.task.register:
            self._session.registered[sent.task.register] = whole
        for item in sent.items:
            facts = (item.result or {}).get("ansible_facts")
            if isinstance(facts, dict):
                self._learnt(sent, item, facts)
        self._tell(sent, whole)

    def _tell(self, sent: Sent, whole: dict[str, Any]) -> None:
        failed = bool(whole["failed"])
        ignored = sent.ignore_errors and failed
        if failed and not ignored:
            status = Status.RESCUED if sent.rescued else Status.FAILED
        elif whole.get("skipped"):
            status = Status.SKIPPED
        else:
            status = Status.CHANGED if whole["changed"] else Status.OK
        diff = "".join([str(item.result["diff"]) for item in sent.items if item.result and item.result.get("diff")])
        message = ("ignored: " if ignored else "") + "; ".join(dict.fromkeys(_messages(sent, whole, failed, status)))
        if sent.no_log:
            diff, message = "", CENSORED if message else ""
        result = Result(
            self._session.name,
            sent.name + (f" (on {sent.delegated_to})" if sent.delegated_to else ""),
            status,
            message,
            diff,
            whole,
            round(time.monotonic() - sent.started, 4),
            location=sent.task.location,
            number=sent.number,
            check=sent.check,
        )
        if status is Status.CHANGED and not self._session.left_alone:
            self._changed(sent)
        self._account.result(self._session.name, sent.place.role.name, result)
        if result.status in (Status.FAILED, Status.RESCUED):
            raise Stopped(result, sent.task)


def judge_item(sent: Sent, item: Item) -> None:
    """Say what one round of a task came to, by changed_when and failed_when."""
    task, templar = sent.task, sent.place.role.templar
    assert item.result is not None
    result = item.result
    add_lines(result)
    result.setdefault("changed", False)
    result.setdefault("failed", False)
    if result.get("skipped") or result.get("not_run") or (task.changed_when is None and task.failed_when is None):
        return
    registered = {task.register: result} if task.register else {}
    seen = sent.scope.with_layer({**item.loop, **registered}, False)
    try:
        # As in Ansible: failed_when reads what changed_when said.
        if task.changed_when is not None:
            result["changed"] = all(templar.is_true(condition, seen) for condition in task.changed_when)
        if task.failed_when is not None:
            result["failed"] = all(templar.is_true(condition, seen) for condition in task.failed_when)
            result["failed_when_result"] = result["failed"]
            if result["failed"]:
                result["msg"] = result.get("msg") or f"failed_when is true: {task.failed_when[0]}"
    except (TemplateProblem, NeedsResult) as error:
        result["failed"], result["msg"] = True, str(error)


def _whole(sent: Sent) -> dict[str, Any]:
    """The result as `register` keeps it."""
    if sent.task.loop is None:
        assert sent.items[0].result is not None
        return sent.items[0].result
    control = sent.task.control
    results = []
    for item in sent.items:
        assert item.result is not None
        result = {**item.result, control.loop_var: item.value, "ansible_loop_var": control.loop_var}
        if control.index_var:
            result.update({control.index_var: item.loop.get(control.index_var), "ansible_index_var": control.index_var})
        if "ansible_loop" in item.loop:
            result["ansible_loop"] = item.loop["ansible_loop"]
        results.append(result)
    whole: dict[str, Any] = {
        "changed": any(result["changed"] for result in results),
        "failed": any(result["failed"] for result in results),
        "skipped": False,
        "results": results,
    }
    if not results:
        whole.update(skipped=True, skipped_reason="No items in the list", msg="no items")
    elif all(result.get("skipped") for result in results):
        whole.update(skipped=True, msg="all items skipped")
    else:
        whole["msg"] = "One or more items failed" if whole["failed"] else "All items completed"
    return whole


def _messages(sent: Sent, whole: dict[str, Any], failed: bool, status: Status) -> list[str]:
    """What a person is told of a task's end."""
    if failed:
        texts = [
            (item.label, str(item.result.get("msg") or "failed"))
            for item in sent.items
            if item.result and item.result["failed"]
        ]
        return [f"{label}: {text}" if sent.task.loop is not None else text for label, text in texts]
    if status is Status.SKIPPED:
        return [str(whole.get("skip_reason") or whole.get("msg") or "")]
    always = sent.task.module == "debug"
    if status is Status.OK and not always:  # as of most
        return []
    shown = [item.result for item in sent.items if item.result and (item.result.get("changed") or always)]
    return [str(result["msg"]) for result in shown if result.get("msg") is not None]
