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
    Output,
    SkipTags,
    Tags,
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
    tags: Tags = None,
    skip_tags: SkipTags = None,
    forks: Forks = 32,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Show what `up` would change on each machine, with diffs; change nothing."""
    from kprov.cli.inventory_source import open_inventory
    from kprov.provision.cluster.procedure import Options

    loaded = open_inventory(chosen(inventory_file, inventory), extra_vars)
    options = Options(
        check=True,
        diff=diff,
        tags=tuple(tags or ()),
        skip_tags=tuple(skip_tags or ()),
        forks=forks,
        accept_new_host_keys=accept_new_host_keys,
        only_answering=True,
        passphrase=os.environ.get("KPROV_PASSPHRASE"),
        command_line="kprov plan",
    )
    raise typer.Exit(int(run(loaded, options, verify=False)))
