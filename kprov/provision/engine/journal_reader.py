"""Reads a run's journal back: what was done, what was under way when it ended, and how it ended.

A journal may end anywhere: in the middle of a line, since kprov was killed or the disk was full. What can't be read is
counted and passed over; reading a journal never fails because of what is in it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kprov.provision.engine.holder import has_died
from kprov.provision.engine.runs import ENDED, PhaseRecord, Run, TaskRecord


def read_run(folder: Path) -> Run:
    """Read a whole journal. A folder without one gives a run that died before it began."""
    run = Run(folder.name, folder)
    reader = JournalReader(run)
    for record in _records(run):
        reader.take(record)
    reader.finish()
    return run


def read_summary(folder: Path) -> Run:
    """Read how a run began and ended, without its tasks; of a run that did not end, everything is read."""
    run = Run(folder.name, folder)
    first, last = _first_and_last(run.journal_path)
    if first is None or last is None or last.get("event") != "run_finished":
        return read_run(folder)
    reader = JournalReader(run)
    reader.take(first)
    reader.take(last)
    reader.finish()
    return run


def is_running(journal: Path) -> bool:
    """Whether the process that writes this journal lives: it holds a lock on it."""
    try:
        descriptor = os.open(journal, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _record_of(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None


def _records(run: Run) -> Iterator[dict[str, Any]]:
    try:
        with run.journal_path.open("rb") as stream:
            for line in stream:
                record = _record_of(line)
                if record is not None:
                    yield record
                else:
                    run.unreadable += 1
    except OSError as error:
        run.warnings.append(f"{run.journal_path}: {error.strerror}")


# run_finished has a few numbers a host; this is room for thousands of hosts.
_TAIL = 1 << 20


def _first_and_last(path: Path) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    try:
        with path.open("rb") as stream:
            first = _record_of(stream.readline())
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
            lines = stream.read().splitlines()
    except OSError:
        return None, None
    return first, _record_of(lines[-1]) if lines else None


# What is further off is no moment that a calendar has, and no count of anything.
_LARGEST = 1e11


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    return float(value) if -_LARGEST < value < _LARGEST else 0.0


def _counts(given: dict[Any, Any]) -> dict[str, Any]:
    """A machine's numbers, each as what it must be."""
    texts = {name: str(value) for name, value in given.items() if name in ("reason", "phase", "finished")}
    numbers = {name: int(_number(given.get(name))) for name in ("ok", "changed", "failed", "skipped", "rescued")}
    return {**given, **numbers, **texts, "unreachable": given.get("unreachable") is True}


def _text(record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []


class JournalReader:
    """Takes a journal's records, one by one."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._open: dict[str, dict[int, TaskRecord]] = {}
        """By host: what was sent and not answered, by its number."""
        self._finished = False
        self._interrupted = False

    def take(self, record: dict[str, Any]) -> None:
        """One record; one of an unknown kind says only that the run lived."""
        when = _number(record.get("time"))
        if not self._run.started:
            self._run.started = when
        self._run.ended = max(self._run.ended, when)
        handler = getattr(self, f"_on_{record['event']}", None)
        if handler is not None:
            handler(record, when)

    def finish(self) -> None:
        """No more records: what is still open was under way."""
        run = self._run
        if not self._finished:
            if is_running(run.journal_path) and not has_died({"who": run.by, "controller_pid": run.pid}):
                run.outcome = "running"
            else:
                run.outcome = "interrupted" if self._interrupted else "died"
            run.counts = self._counted()
        run.in_flight = {host: list(tasks.values()) for host, tasks in self._open.items() if tasks}

    def _counted(self) -> dict[str, dict[str, Any]]:
        counts: dict[str, dict[str, Any]] = {}
        for host, (state, reason) in self._run.states.items():
            counts[host] = {"ok": 0, "changed": 0, "failed": 0, "skipped": 0}
            counts[host] |= {"unreachable": state == "unreachable", "reason": reason}
        for task in self._run.tasks():
            mine = counts.setdefault(task.host, {"ok": 0, "changed": 0, "failed": 0, "skipped": 0})
            if task.status == "unreachable":
                mine["unreachable"] = True
            elif task.status in mine:
                mine[task.status] += 1
        return counts

    def _phase(self, when: float) -> PhaseRecord:
        if not self._run.phases:  # a call outside of any phase
            self._run.phases.append(PhaseRecord("", [], when))
        return self._run.phases[-1]

    def _on_run_started(self, record: dict[str, Any], when: float) -> None:
        run = self._run
        run.started = when
        run.command, run.by, run.version = (_text(record, name) for name in ("command", "by", "kprov"))
        run.inventory, run.check = _text(record, "inventory"), record.get("check") is True
        run.pid = int(_number(record.get("pid")))

    def _on_connecting(self, record: dict[str, Any], when: float) -> None:
        self._run.hosts += [name for name in _names(record.get("hosts")) if name not in self._run.hosts]

    def _on_cluster(self, record: dict[str, Any], when: float) -> None:
        given = record.get("machines")
        machines = [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
        described = [{**each, "groups": _names(each.get("groups"))} for each in machines]
        self._run.cluster = {**record, "machines": described}

    def _on_machine(self, record: dict[str, Any], when: float) -> None:
        self._run.machines.setdefault(_text(record, "host"), {}).update(record)

    def _on_releases(self, record: dict[str, Any], when: float) -> None:
        self._run.releases = _names(record.get("daemons"))

    def _on_check(self, record: dict[str, Any], when: float) -> None:
        self._run.checks.append(record)

    def _on_carries_out(self, record: dict[str, Any], when: float) -> None:
        self._run.plan = _text(record, "plan")

    def _on_host_state(self, record: dict[str, Any], when: float) -> None:
        self._run.states[_text(record, "host")] = (_text(record, "state"), _text(record, "reason"))

    def _on_phase_started(self, record: dict[str, Any], when: float) -> None:
        rehearsal = record.get("rehearsal") is True
        self._run.phases.append(
            PhaseRecord(_text(record, "title"), _names(record.get("hosts")), when, rehearsal=rehearsal)
        )

    def _on_phase_finished(self, record: dict[str, Any], when: float) -> None:
        self._phase(when).ended = when

    def _on_sent(self, record: dict[str, Any], when: float) -> None:
        task = self._task(record, when)
        task.sent = when
        mine = self._open.setdefault(task.host, {})
        mine[task.number if task.number is not None else -1 - len(mine)] = task

    def _on_task(self, record: dict[str, Any], when: float) -> None:
        task = self._task(record, when)
        task.status = _text(record, "status")
        task.message, task.where, task.diff = (_text(record, name) for name in ("message", "where", "diff"))
        task.seconds = _number(record.get("seconds"))
        sent = self._answered(task)
        task.sent = sent.sent if sent is not None else when
        self._phase(when).tasks.append(task)

    def _on_asked(self, record: dict[str, Any], when: float) -> None:
        self._answered(self._task(record, when))

    def _on_not_run(self, record: dict[str, Any], when: float) -> None:
        mine = self._open.get(_text(record, "host"), {})
        for number in record["tasks"] if isinstance(record.get("tasks"), list) else ():
            if isinstance(number, int):
                mine.pop(number, None)

    def _on_warning(self, record: dict[str, Any], when: float) -> None:
        self._run.warnings.append(_text(record, "message"))

    def _on_interrupted(self, record: dict[str, Any], when: float) -> None:
        self._interrupted = True

    def _on_run_finished(self, record: dict[str, Any], when: float) -> None:
        self._finished = True
        outcome = _text(record, "outcome")
        self._run.outcome = outcome if outcome in ENDED else "failed"
        self._run.error = _text(record, "error")
        hosts = record.get("hosts")
        if isinstance(hosts, dict):
            found = ((str(name), counts) for name, counts in hosts.items() if isinstance(counts, dict))
            self._run.counts = {name: _counts(counts) for name, counts in found}
        if not self._run.hosts:  # of a summary, which has not read who was connected to
            self._run.hosts = list(self._run.counts)

    def _task(self, record: dict[str, Any], when: float) -> TaskRecord:
        number = record.get("number")
        return TaskRecord(
            _text(record, "host"),
            self._phase(when).title,
            _text(record, "role"),
            _text(record, "task"),
            number if isinstance(number, int) else None,
            check=record.get("check") is True,
        )

    def _answered(self, task: TaskRecord) -> TaskRecord | None:
        """Strike what was sent.

        A failure without a number is the controller's own, over what it was about to send, or what came back.
        """
        mine = self._open.get(task.host, {})
        if task.number is not None:
            return mine.pop(task.number, None)
        for key, sent in mine.items():
            if (key < 0 or task.status == "failed") and (sent.role, sent.task) == (task.role, task.task):
                return mine.pop(key)
        return None
