"""``kprov up``: from the machines of an inventory to a verified cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.exit_codes import ExitCode
from kprov.cli.invocation import OutputFormat
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    Check,
    Diff,
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

if TYPE_CHECKING:
    from kprov.provision.inventory import Inventory

app = typer.Typer(help="Turn the machines of an inventory into a cluster, or bring one up to date.")


@app.command()
def up(
    inventory_file: InventoryArgument = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    check: Check = False,
    diff: Diff = False,
    verify: Annotated[bool, typer.Option(help="Check the cluster at the end (without taking machines away).")] = True,
    only_answering: Annotated[
        bool, typer.Option("--only-answering", help="Go on with the machines that answer when some do not.")
    ] = False,
    tags: Tags = None,
    skip_tags: SkipTags = None,
    forks: Forks = 32,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Turn the machines of an inventory into a cluster, or bring one up to date.

    Safe to interrupt at any moment and to repeat: the same command goes on.
    """
    from kprov.cli.inventory_source import open_inventory
    from kprov.provision.cluster.procedure import Options

    loaded = open_inventory(chosen(inventory_file, inventory), extra_vars)
    options = Options(
        check=check,
        diff=diff,
        tags=tuple(tags or ()),
        skip_tags=tuple(skip_tags or ()),
        forks=forks,
        accept_new_host_keys=accept_new_host_keys,
        only_answering=only_answering,
        passphrase=os.environ.get("KPROV_PASSPHRASE"),
        command_line="kprov plan" if check else "kprov up",
    )
    raise typer.Exit(int(run(loaded, options, verify=verify and not check)))


def run(inventory: Inventory, options: object, *, verify: bool) -> ExitCode:
    """Run the phases, then the checks. Returns the exit code; raises what ends a run before it begins."""
    from kprov.cli.bundle_source import complete_bundle
    from kprov.cli.exit_codes import of_outcome
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.procedure import Options, run_procedure
    from kprov.provision.cluster.up import UP

    assert isinstance(options, Options)
    with open_run_output(diff=options.diff) as output:
        bundle = complete_bundle(inventory, output.tell)
        engine, times = run_procedure(inventory, UP, bundle, output.reporter, options)
        code = of_outcome(engine.outcome())
        passed: bool | None = None
        if verify and code is ExitCode.OK:
            from kprov.cli.verify import run_verification

            report, seconds = run_verification(inventory, options, output, high_availability=False, stopping=False)
            times.append(seconds)
            passed = report.passed
            code = ExitCode.OK if passed else ExitCode.VERIFICATION
        output.finish(times, code, passed)
    return code
