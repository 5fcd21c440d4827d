"""``kprov plan``: what ``kprov up`` would change."""

from __future__ import annotations

import os
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
    Output,
    SkipTags,
    StartAtPhase,
    Tags,
    TimeoutOptions,
    Verbose,
    chosen,
)
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
    forks: Forks = 32,
    timeout: TimeoutOptions = None,
    list_phases: ListPhases = False,
    list_hosts: ListHosts = False,
    list_tags: ListTags = False,
    list_tasks: ListTasks = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Show what `up` would change on each machine, with diffs; change nothing."""
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import Listing, limits
    from kprov.provision.cluster.procedure import Options

    loaded = open_inventory(chosen(inventory_file, inventory), extra_vars)
    options = Options(
        check=True,
        diff=diff,
        **limits(loaded, limit=limit, tags=tags, skip_tags=skip_tags, start_at_phase=start_at_phase, timeouts=timeout),
        forks=forks,
        accept_new_host_keys=accept_new_host_keys,
        only_answering=True,
        passphrase=os.environ.get("KPROV_PASSPHRASE"),
        command_line="kprov plan",
    )
    listing = Listing(list_phases, list_hosts, list_tags, list_tasks)
    raise typer.Exit(int(run(loaded, options, verify=False, listing=listing)))
