"""``kprov report``: a run as one HTML page, made from its journal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from kprov.cli.options import DEFAULT_INVENTORY, InventoryPath, Verbose

app = typer.Typer(help="Show a run as a page in the browser.")


@app.command()
def report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="The run's id, its beginning or its last letters; or `last`: the last `up`, `upgrade` or `verify`.",
        ),
    ] = "last",
    inventory: InventoryPath = DEFAULT_INVENTORY,
    open_it: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open",
            help="Open it in the browser. Default: where there is a terminal and a desktop.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write it to this file. Default: beside the run's journal."),
    ] = None,
    state_directory: Annotated[
        Path | None,
        typer.Option(
            "--state-directory",
            help="The folder that has `runs`, where there is no inventory that says it.",
            show_default=False,
        ),
    ] = None,
    verbose: Verbose = 0,
) -> None:
    """Make a run's report anew from its journal, and show it.

    One file without references to others: the timeline of phases by machine, what changed with its diffs, what was
    checked, drills with the requests during them, the machines and certificates. Secrets are masked, as in the journal.
    """
    from kprov.cli.report.choice import reported_runs
    from kprov.cli.report.page import write_page
    from kprov.cli.runs import state_directory_of

    runs = reported_runs(state_directory_of(inventory, state_directory), run)
    path = write_page(runs, file)
    typer.echo(path)
    if open_it if open_it is not None else _has_desktop():
        typer.launch(path.resolve().as_uri())


def _has_desktop() -> bool:
    return sys.stdout.isatty() and (
        sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    )
