"""Writes the report of a command when it ends, however it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from kprov.cli.invocation import OutputFormat, current


@contextmanager
def reported(state_directory: Path, *, wanted: bool = True) -> Iterator[None]:
    """Write the report of the runs that are made inside, and say in the last line where it is.

    A report that can't be written spoils no run: the journal has everything, and `kprov report` makes it later.
    """
    since = time.time() - 1  # the journal's clock is rounded
    try:
        yield
    finally:
        if wanted:
            _write(state_directory, since)


def _write(state_directory: Path, since: float) -> None:
    from kprov.cli.report.choice import runs_of_this_process
    from kprov.cli.report.page import write_page

    try:
        runs = runs_of_this_process(state_directory, os.getpid(), since)
        if not runs:
            return
        path = write_page(runs)
    except Exception as error:
        typer.echo(
            f"the report was not written: {error}. What happened is in the journal, and `kprov report` tries again",
            err=True,
        )
        return
    if current.output is OutputFormat.TEXT:
        typer.echo(f"report: {path}")
