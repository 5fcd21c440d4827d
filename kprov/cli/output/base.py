"""What all reporters share: they keep count of the run, so that each only decides how to show it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

# The words that the engine uses for a task's end, in the order of how much they matter.
STATUSES = ("unreachable", "failed", "changed", "ok", "skipped")


@dataclass(slots=True)
class PhaseTally:
    """What came of the phase that is running."""

    title: str
    hosts: tuple[str, ...]
    check: bool = False
    """Whether it only compares."""
    started: float = field(default_factory=time.monotonic)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    tasks_of: dict[str, str] = field(default_factory=dict)
    """host -> the task that it is at, or the last that it ended."""
    changed_hosts: set[str] = field(default_factory=set)
    troubled_hosts: dict[str, str] = field(default_factory=dict)
    """host -> why it stopped."""
    ended_tasks: dict[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.started

    def sentence(self) -> str:
        """What came of it, for the line at its end."""
        fine = len(self.hosts) - len(self.troubled_hosts)
        parts = []
        if self.changed_hosts:
            parts.append(f"{_count(len(self.changed_hosts), 'host')} {'would change' if self.check else 'changed'}")
        elif fine:
            parts.append("nothing to change")
        if self.troubled_hosts:
            parts.append(f"{_count(len(self.troubled_hosts), 'host')} in trouble")
        return ", ".join(parts) or "no hosts"


class RunReporter:
    """The engine's Reporter: counts here, shows in the subclass (the ``show_`` methods).

    The engine calls it from its threads, one call at a time.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.phase: PhaseTally | None = None
        self.run_id = ""
        self.check = False
        self.hosts: tuple[str, ...] = ()
        self.states: dict[str, tuple[str, str]] = {}
        self.summary: Mapping[str, Any] = {}
        self.started = time.monotonic()
        self.finished = False

    # --- called by the engine -------------------------------------------------------------------------------------

    @property
    def worked_on(self) -> str:
        """How many machines take part, in words; some operations contact none."""
        return in_words(len(self.hosts), "host") if self.hosts else "the cluster's API"

    def run_started(self, run_id: str, hosts: list[str], check: bool) -> None:
        """A run begins."""
        self.run_id, self.hosts, self.check = run_id, tuple(hosts), check
        self.started = time.monotonic()
        self.show_run_started()

    def host_state(self, host: str, state: str, reason: str) -> None:
        """A host was connected, or could not be."""
        self.states[host] = (state, reason)
        self.show_host_state(host, state, reason)

    def phase_started(self, title: str, hosts: Iterable[str]) -> None:
        """A phase begins on some hosts."""
        self.phase = PhaseTally(title, tuple(getattr(host, "name", host) for host in hosts), self.check)
        self.show_phase_started(self.phase)

    def task_started(self, host: str, role: str, task: str) -> None:
        """A host begins a task."""
        if self.phase:
            self.phase.tasks_of[host] = task
            self.show_task_started(host, role, task)

    def task_result(
        self, host: str, role: str, task: str, status: Any, diff: str, message: str, duration: float
    ) -> None:
        """A host ended a task."""
        word = status_word(status)
        if self.phase:
            phase = self.phase
            phase.counts[word] = phase.counts.get(word, 0) + 1
            phase.ended_tasks[host] = phase.ended_tasks.get(host, 0) + 1
            phase.tasks_of[host] = task
            if word == "changed":
                phase.changed_hosts.add(host)
            if word in ("failed", "unreachable"):
                phase.troubled_hosts[host] = message
        self.show_task_result(host, role, task, word, diff, message, duration)

    def phase_finished(self, result: Any) -> None:
        """A phase ended."""
        phase, self.phase = self.phase, None
        if phase is None:
            return
        for host, found in (getattr(result, "failed", None) or {}).items():
            phase.troubled_hosts.setdefault(str(getattr(host, "name", host)), str(getattr(found, "message", "")))
        self.show_phase_finished(phase, result)

    def warning(self, message: str) -> None:
        """Something that a person should know."""
        self.show_warning(message)

    def waiting(self, message: str) -> None:
        """What is being waited for."""
        self.show_waiting(message)

    def run_finished(self, summary: Mapping[str, Any]) -> None:
        """The run ended."""
        self.summary = summary
        self.show_run_finished()

    # --- called by the verb ---------------------------------------------------------------------------------------

    def event(self, kind: str, text: str, **facts: Any) -> None:
        """Something that a verb itself has to tell: ``text`` for people, ``facts`` for programs."""
        self.show_event(kind, text, facts)

    def finish(self, exit_code: int, **facts: Any) -> None:
        """The last word of the run; nothing is shown after it. Only the first call counts."""
        if not self.finished:
            self.finished = True
            self.show_finish(int(exit_code), facts)

    def last_word(self, exit_code: int) -> str:
        """How the run ended, for people."""
        from kprov.cli.exit_codes import MEANINGS, ExitCode

        if exit_code not in ExitCode._value2member_map_:
            return ""
        if exit_code != ExitCode.OK or not self.check:
            return MEANINGS[ExitCode(exit_code)]
        numbers = [number for each in self.summary.values() if (number := int(count_of(each, "changed") or 0))]
        would = f"{_count(sum(numbers), 'change')} would be made on {_count(len(numbers), 'host')}; " if numbers else ""
        return f"done: {would}nothing was changed"

    def close(self) -> None:
        """Stop drawing: others are about to write to the terminal."""

    @property
    def seconds(self) -> float:
        """How long the run has taken."""
        return time.monotonic() - self.started

    # --- for subclasses -------------------------------------------------------------------------------------------

    def show_run_started(self) -> None:
        """Show that a run begins."""

    def show_host_state(self, host: str, state: str, reason: str) -> None:
        """Show that a host was connected or not."""

    def show_phase_started(self, phase: PhaseTally) -> None:
        """Show that a phase begins."""

    def show_task_started(self, host: str, role: str, task: str) -> None:
        """Show that a task begins."""

    def show_task_result(
        self, host: str, role: str, task: str, status: str, diff: str, message: str, duration: float
    ) -> None:
        """Show how a task ended."""

    def show_phase_finished(self, phase: PhaseTally, result: Any) -> None:
        """Show how a phase ended."""

    def show_warning(self, message: str) -> None:
        """Show a warning."""

    def show_waiting(self, message: str) -> None:
        """Show what is being waited for."""

    def show_run_finished(self) -> None:
        """Show the counts of every host."""

    def show_event(self, kind: str, text: str, facts: Mapping[str, Any]) -> None:
        """Show what a verb tells."""

    def show_finish(self, exit_code: int, facts: Mapping[str, Any]) -> None:
        """Show the last word."""


def status_word(status: Any) -> str:
    """The engine's Status as a lower-case word."""
    return str(getattr(status, "name", status)).lower()


def count_of(summary: Any, word: str) -> Any:
    """One number of a host's summary, whatever shape it has."""
    return summary.get(word, 0) if isinstance(summary, Mapping) else getattr(summary, word, 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def in_words(number: int, noun: str) -> str:
    """``1 host``, ``2 hosts``."""
    return _count(number, noun)
