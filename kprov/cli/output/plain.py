"""Plain lines: for logs, pipes and CI. A line is written when something is known, and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from kprov.cli.output.base import PhaseTally, RunReporter, in_words
from kprov.cli.output.lines import is_shown, phase_end, recap, task_lines


class PlainReporter(RunReporter):
    """Writes lines to a stream."""

    def __init__(self, stream: TextIO, *, verbosity: int = 0, diff: bool = False) -> None:
        super().__init__(stream)
        self.verbosity, self.diff = verbosity, diff

    def write(self, text: str) -> None:
        """Write one line at once: whoever follows a log must not wait for a buffer."""
        print(text, file=self.stream, flush=True)

    def show_run_started(self) -> None:
        what = "checking (nothing is changed)" if self.check else "working on"
        self.write(f"{what} {self.worked_on} (run {self.run_id})")

    def show_host_state(self, host: str, state: str, reason: str) -> None:
        if state in ("new", "connected"):
            if self.verbosity >= 1:
                self.write(f"  {host}: {state}")
            return
        self.write(f"  {host}: {state}{': ' + reason if reason else ''}")

    def show_phase_started(self, phase: PhaseTally) -> None:
        self.write(f"{phase.title} ({in_words(len(phase.hosts), 'host')})")

    def show_task_result(
        self, host: str, role: str, task: str, status: str, diff: str, message: str, duration: float
    ) -> None:
        if is_shown(status, self.verbosity, message):
            for line in task_lines(host, role, task, status, message, diff, duration, show_diff=self.diff):
                self.write(line)

    def show_phase_finished(self, phase: PhaseTally, result: Any) -> None:
        self.write(phase_end(phase))

    def show_warning(self, message: str) -> None:
        self.write(f"warning: {message}")

    def show_waiting(self, message: str) -> None:
        self.write(f"  {message}")

    def show_run_finished(self) -> None:
        if self.summary:
            self.write("hosts:")
        for line in recap(self.summary, self.states):
            self.write(line)

    def show_event(self, kind: str, text: str, facts: Mapping[str, Any]) -> None:
        if text:
            self.write(text)

    def show_finish(self, exit_code: int, facts: Mapping[str, Any]) -> None:
        self.write(f"{self.last_word(exit_code)} ({self.seconds:.1f} s)")
