"""``kprov plan``: what ``kprov up`` would change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kprov.cli.invocation import OutputFormat
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    ExtraVars,
    Forks,
    InventoryArgument,
    InventoryPath,
    Limit,
    ListHosts,
    ListPhases,
    ListTags,
    ListTasks,
    OutputLong,
    SkipTags,
    StartAtPhase,
    Tags,
    TimeoutOptions,
    Verbose,
    chosen,
)
from kprov.cli.passphrase import passphrase_given
from kprov.cli.up import run

app = typer.Typer(help="Show what `up` would change, with diffs; change nothing.")


@app.command()
def plan(
    inventory_file: InventoryArgument = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    diff: Annotated[bool, typer.Option("--diff/--no-diff", "-D", help="Show what would change inside files.")] = True,
    limit: Limit = "",
    tags: Tags = None,
    skip_tags: SkipTags = None,
    start_at_phase: StartAtPhase = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Write the plan to a file, for `kprov up --plan`.", show_default=False
        ),
    ] = None,
    forks: Forks = 32,
    timeout: TimeoutOptions = None,
    list_phases: ListPhases = False,
    list_hosts: ListHosts = False,
    list_tags: ListTags = False,
    list_tasks: ListTasks = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: OutputLong = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Show what `up` would change on each machine, with diffs; change nothing.

    A plan in a file can be carried out later: just that, or nothing if anything is not as it was.
    """
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.plan_files import file_of, kept_in_plan
    from kprov.cli.run_limits import Listing, limits
    from kprov.provision.cluster.planning import Planning
    from kprov.provision.cluster.procedure import Options

    plan_file = file_of(out)
    loaded = open_inventory(chosen(inventory_file, inventory), extra_vars)
    limited = limits(
        loaded, limit=limit, tags=tags, skip_tags=skip_tags, start_at_phase=start_at_phase, timeouts=timeout
    )
    options = Options(
        check=True,
        diff=diff,
        **limited,
        planning=Planning(make=plan_file is not None, options=kept_in_plan(limited)),
        forks=forks,
        accept_new_host_keys=accept_new_host_keys,
        only_answering=True,
        passphrase=passphrase_given(),
        command_line="kprov plan",
    )
    listing = Listing(list_phases, list_hosts, list_tags, list_tasks)
    raise typer.Exit(int(run(loaded, options, verify=False, listing=listing, plan_file=plan_file)))
