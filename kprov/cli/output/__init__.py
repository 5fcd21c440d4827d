"""How a run is shown while it goes: live on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from kprov.cli.invocation import current

if TYPE_CHECKING:
    from kprov.cli.output.base import RunReporter


def make_reporter(*, stream: TextIO | None = None, diff: bool = False) -> RunReporter:
    """The reporter that fits this command line and where its output goes.

    Args: ``diff`` shows what changes inside files.
    """
    current.reporter = reporter = _choose(stream or sys.stdout, diff)
    return reporter


def _choose(out: TextIO, diff: bool) -> RunReporter:
    if current.is_json:
        from kprov.cli.output.json_lines import JsonReporter

        return JsonReporter(out, verb=current.verb, diff=diff)
    if out.isatty():
        from kprov.cli.output.live import LiveReporter

        return LiveReporter(out, verbosity=current.verbosity, diff=diff)
    from kprov.cli.output.plain import PlainReporter

    return PlainReporter(out, verbosity=current.verbosity, diff=diff)
