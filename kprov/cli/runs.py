"""``kprov runs``: what runs did, what was under way when they ended, and how two of them differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kprov.cli.invocation import OutputFormat, current
from kprov.cli.options import DEFAULT_INVENTORY, InventoryPath, Output, Verbose

app = typer.Typer(help="Show what runs did, and how they differ.", no_args_is_help=True)

StateDirectory = Annotated[
    Path | None,
    typer.Option(
        "--state-directory",
        help="The folder that has `runs`, where there is no inventory that says it.",
        show_default=False,
    ),
]
Diff = Annotated[
    bool, typer.Option("--diff/--no-diff", "-D", help="Show what changed inside files, where the run kept it.")
]
_NAME = "The run's id, its beginning, the letters at its end, or `last`."


def state_directory_of(inventory: Path, given: Path | None) -> Path:
    """Where the runs are remembered. Raises InventoryErrors."""
    if given is not None:
        return given
    from kprov.cli.inventory_source import open_inventory

    return open_inventory(inventory, cluster=None).cluster.state_directory


@app.command("list")
def list_runs(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    number: Annotated[int, typer.Option("--number", "-n", min=0, help="Only the last ones; 0: all.")] = 20,
    state_directory: StateDirectory = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """List runs: when, what command, how it ended, how many machines, changes and failures, how long.

    The changes of a run that only compared (`kprov plan`) stand in brackets: they were not made.
    """
    from kprov.cli.run_texts import HEADER, facts_of, row_of
    from kprov.cli.tables import table
    from kprov.provision.engine.journal_reader import read_summary
    from kprov.provision.engine.run_history import run_folders

    folder = state_directory_of(inventory, state_directory)
    found = [read_summary(path) for path in run_folders(folder)[-number if number else 0 :]]
    if output is OutputFormat.JSON:
        for run in found:
            typer.echo(json.dumps({"event": "run", **facts_of(run)}))
        typer.echo(json.dumps({"event": "summary", "exit_code": 0, "runs": len(found)}))
    elif found:
        typer.echo(table(HEADER, [row_of(run) for run in found]))
    else:
        typer.echo(f"no run is remembered in {folder / 'runs'}")


@app.command()
def show(
    run: Annotated[str, typer.Argument(help=_NAME)] = "last",
    inventory: InventoryPath = DEFAULT_INVENTORY,
    host: Annotated[str, typer.Option("--host", help="Only this machine.")] = "",
    diff: Diff = False,
    state_directory: StateDirectory = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Show a run by phase and machine: what it changed, what failed, and what was under way when it ended.

    With -v every task, with -vv also those that were skipped.
    """
    from kprov.cli.run_texts import facts_of, shown, task_facts
    from kprov.provision.engine.run_history import find_run

    found = find_run(state_directory_of(inventory, state_directory), run)
    if output is OutputFormat.TEXT:
        typer.echo("\n".join(shown(found, host=host, verbosity=current.verbosity, diff=diff)))
        return
    for phase in found.phases:
        facts = {"phase": phase.title, "hosts": phase.hosts, "started": phase.started, "seconds": phase.seconds}
        typer.echo(json.dumps({"event": "phase", **facts, "rehearsal": phase.rehearsal}))
        for task in phase.tasks:
            if host in ("", task.host):
                typer.echo(json.dumps({"event": "task", **task_facts(task)}))
    for tasks in found.in_flight.values():
        for task in tasks:
            if host in ("", task.host):
                typer.echo(json.dumps({"event": "in_flight", **task_facts(task)}))
    typer.echo(json.dumps({"event": "summary", "exit_code": 0, **facts_of(found)}))


@app.command()
def diff(
    before: Annotated[
        str | None, typer.Argument(help=f"{_NAME} Default: the run of the same command before the other.")
    ] = None,
    after: Annotated[str, typer.Argument(help="The other run, named in the same way.")] = "last",
    inventory: InventoryPath = DEFAULT_INVENTORY,
    diff: Diff = False,
    state_directory: StateDirectory = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Show which tasks ended differently in two runs.

    Without arguments: the last run, and the one of the same command before it. `kprov plan` and `kprov up` may be
    compared too: what was foreseen, and what was done.
    """
    from dataclasses import asdict

    from kprov.cli.run_texts import compared
    from kprov.provision.engine.run_comparison import compare
    from kprov.provision.engine.run_history import NoSuchRun, find_run, last_where

    folder = state_directory_of(inventory, state_directory)
    later = find_run(folder, after)
    earlier = (
        find_run(folder, before)
        if before is not None
        else last_where(folder, lambda run: run.command == later.command, before=later.id)
    )
    if earlier is None:
        raise NoSuchRun(f"there is no run of `{later.command}` before {later.id}: name two of `kprov runs list`")
    found = compare(earlier, later)
    if output is OutputFormat.JSON:
        for difference in found.differences:
            typer.echo(json.dumps({"event": "difference", **asdict(difference)}))
        summary = {
            "before": earlier.id,
            "after": later.id,
            "same": found.same,
            "hosts_only_before": found.hosts_only_before,
            "hosts_only_after": found.hosts_only_after,
        }
        typer.echo(json.dumps({"event": "summary", "exit_code": 0, **summary}))
    else:
        typer.echo("\n".join(compared(found, diff=diff)))


@app.command()
def prune(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=1, help="How many runs stay. Default: runs_kept of the inventory."),
    ] = None,
    state_directory: StateDirectory = None,
    verbose: Verbose = 0,
) -> None:
    """Forget old runs. Each run does so at its end, as `runs_kept` says; runs that are under way stay."""
    from kprov.cli.exit_codes import ExitCode
    from kprov.provision.engine.run_history import prune as forget

    if state_directory is not None and keep is None:
        raise typer.BadParameter("say how many stay, where no inventory does", param_hint="--keep")
    if state_directory is None:
        from kprov.cli.inventory_source import open_inventory

        settings = open_inventory(inventory, cluster=None).cluster
        state_directory, keep = settings.state_directory, settings.runs_kept if keep is None else keep
    assert keep is not None
    gone = forget(state_directory, keep)
    typer.echo("\n".join(f"forgot {name}" for name in gone) or "there is nothing to forget")
    raise typer.Exit(int(ExitCode.OK))
