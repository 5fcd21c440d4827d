"""What a run of ``up``, ``plan`` or ``verify`` shows besides the engine's own events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kprov.cli.exit_codes import ExitCode
from kprov.cli.output import make_reporter

if TYPE_CHECKING:
    from kprov.cli.output.base import RunReporter
    from kprov.provision.cluster.phase import PhaseTime
    from kprov.provision.engine.reporter import SilentReporter
    from kprov.provision.verify import CheckResult


class RunOutput:
    """One run's output, whatever its form."""

    def __init__(self, reporter: RunReporter) -> None:
        self.reporter = reporter

    @property
    def silent_reporter(self) -> SilentReporter:
        """For connections that are made for checks: each check has a line of its own."""
        from kprov.provision.engine.reporter import SilentReporter

        return SilentReporter()

    def tell(self, line: str) -> None:
        """A line for the person who waits."""
        self.reporter.event("note", line)

    def tell_stats(self, stats: Mapping[str, Mapping[str, Any]], mask: Callable[[str], str]) -> None:
        """What tasks kept for the end of the run, by host."""
        kept = json.loads(mask(json.dumps(stats, default=str)))
        lines = [
            f"  {'kept' if host == '_run' else f'kept of {host}'}: {name}: "
            + (value if isinstance(value, str) else json.dumps(value))
            for host, values in kept.items()
            for name, value in values.items()
        ]
        self.reporter.event("stats", "\n".join(lines), stats=kept)

    def check_result(self, result: CheckResult) -> None:
        """Show a check that ended."""
        mark = "ok    " if result.passed else "FAILED"
        detail = f": {result.message}" if result.message else ""
        self.reporter.event(
            "check",
            f"  {mark} {result.group}: {result.name} ({result.seconds:.1f} s){detail}",
            group=result.group,
            name=result.name,
            passed=result.passed,
            seconds=round(result.seconds, 3),
            figures=result.figures,
        )

    def finish(self, times: Sequence[PhaseTime], code: ExitCode, verified: bool | None) -> None:
        """The time of each phase, and the last word."""
        if times:
            width = max(len(time.title) for time in times)
            lines = [f"  {time.title:<{width}}  {time.seconds:6.1f} s" for time in times]
            lines.append(f"  {'Together':<{width}}  {sum(time.seconds for time in times):6.1f} s")
            self.reporter.event("phase_times", "\n".join(lines))
        phases = [{"title": time.title, "seconds": round(time.seconds, 3)} for time in times]
        self.reporter.finish(int(code), phases=phases, verified=verified)


@contextmanager
def open_run_output(*, diff: bool = False) -> Iterator[RunOutput]:
    """The output that fits the command line; what is drawn on the terminal ends with the block."""
    reporter = make_reporter(diff=diff)
    output = RunOutput(reporter)
    try:
        yield output
    finally:
        reporter.close()
