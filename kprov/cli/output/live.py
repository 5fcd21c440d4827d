"""The terminal: what is done stays as lines, what goes on is drawn below them and redrawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from kprov.cli.output.base import PhaseTally, RunReporter
from kprov.cli.output.lines import is_shown, recap, task_lines

_STYLES = {"changed": "yellow", "failed": "bold red", "unreachable": "bold red", "ok": "green", "skipped": "dim"}
# Lines of the terminal that the title and the lines around it take.
_RESERVED_LINES = 6


class LiveReporter(RunReporter):
    """Draws on a terminal."""

    def __init__(
        self, stream: TextIO, *, verbosity: int = 0, diff: bool = False, console: Console | None = None
    ) -> None:
        super().__init__(stream)
        self.verbosity, self.diff = verbosity, diff
        self.console = console or Console(file=stream, highlight=False)
        self._spinner = Spinner("dots")
        self._live: Live | None = None

    # What goes on is drawn by rich's own thread from the counts, so that a thousand results cost nothing to draw.
    def __rich__(self) -> Any:
        phase = self.phase
        if phase is None:
            return Text("")
        self._spinner.update(text=Text(f"{phase.title}  {phase.seconds:.0f} s", style="bold"))
        return Group(self._spinner, self._hosts(phase))

    def _hosts(self, phase: PhaseTally) -> Table:
        """A line for each host that is still at work; as many as fit."""
        grid = Table.grid(padding=(0, 2))
        busy = [host for host in list(phase.hosts) if host not in phase.troubled_hosts]
        room = max(self.console.height - _RESERVED_LINES, 3)
        # A copy: the engine's threads go on while this is drawn.
        tasks = dict(phase.tasks_of)
        for host in busy[:room]:
            done = phase.ended_tasks.get(host, 0)
            grid.add_row(
                Text(f"    {host}"), Text(str(done), style="dim"), Text(tasks.get(host, ""), style="dim", no_wrap=True)
            )
        if len(busy) > room:
            grid.add_row(Text(f"    and {len(busy) - room} more", style="dim"))
        return grid

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style=style), soft_wrap=True)

    def show_run_started(self) -> None:
        what = "Checking, nothing is changed:" if self.check else "Working on"
        self._print(f"{what} {self.worked_on}  (run {self.run_id})", "dim")

    def show_host_state(self, host: str, state: str, reason: str) -> None:
        if state not in ("new", "connected"):
            self._print(f"  {host}: {state}{': ' + reason if reason else ''}", "bold red")

    def show_phase_started(self, phase: PhaseTally) -> None:
        self._stop()
        self._live = Live(self, console=self.console, refresh_per_second=8, transient=True)
        self._live.start()

    def show_task_result(
        self, host: str, role: str, task: str, status: str, diff: str, message: str, duration: float
    ) -> None:
        # On a terminal the counts say what changed; lines are for what went wrong, or for those who ask.
        if status == "changed" and not self.verbosity and not (diff and self.diff):
            return
        if not is_shown(status, self.verbosity, message):
            return
        for line in task_lines(host, role, task, status, message, diff, duration, show_diff=self.diff):
            self._print(line, _line_style(line, status))

    def show_phase_finished(self, phase: PhaseTally, result: Any) -> None:
        self._stop()
        mark, style = ("✗", "bold red") if phase.troubled_hosts else ("✓", "green")
        line = Text.assemble((f"{mark} ", style), (phase.title, "bold"), f"  {phase.sentence()}")
        line.append(f"  {phase.seconds:.1f} s", style="dim")
        self.console.print(line, soft_wrap=True)

    def show_warning(self, message: str) -> None:
        self._print(f"warning: {message}", "yellow")

    def show_waiting(self, message: str) -> None:
        self._print(f"  {message}", "dim")

    def show_run_finished(self) -> None:
        self._stop()
        for line in recap(self.summary, self.states):
            self._print(line)

    def show_event(self, kind: str, text: str, facts: Mapping[str, Any]) -> None:
        if text:
            self._print(text)

    def show_finish(self, exit_code: int, facts: Mapping[str, Any]) -> None:
        self._stop()
        self._print(f"{self.last_word(exit_code)} ({self.seconds:.1f} s)", "bold red" if exit_code else "bold green")

    def close(self) -> None:
        self._stop()

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live:
            live.stop()


def _line_style(line: str, status: str) -> str:
    stripped = line[6:]
    if line.startswith("      "):
        if stripped.startswith("+"):
            return "green"
        return "red" if stripped.startswith("-") else ""
    return _STYLES.get(status, "")
