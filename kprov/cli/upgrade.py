"""``kprov upgrade``: moves the cluster to another release, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kprov.cli.invocation import OutputFormat
from kprov.cli.node import Deadline, DeleteEmptydirData, Force, GracePeriod, drain_options
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    Check,
    ExtraVars,
    Forks,
    InventoryArgument,
    InventoryPath,
    Output,
    Serial,
    TimeoutOptions,
    Verbose,
    chosen,
)
from kprov.cli.passphrase import passphrase_given
from kprov.provision.cluster.nodes.deadline import AtDeadline

app = typer.Typer(help="Move the cluster to another release.")


@app.command()
def upgrade(
    inventory_file: InventoryArgument = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="Upgrade to this bundle as it is. Default: the inventory's, brought up to date."),
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Back to what the machines ran before the last upgrade began.")
    ] = False,
    drain: Annotated[
        bool, typer.Option("--drain/--no-drain", help="Move pods away first; they go on running all the same.")
    ] = True,
    serial: Serial = "",
    force: Force = False,
    delete_emptydir_data: DeleteEmptydirData = False,
    grace_period: GracePeriod = None,
    at_deadline: Deadline = AtDeadline.STOP,
    check: Check = False,
    forks: Forks = 32,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Move the cluster to the bundle's release of kprov's daemons, with its Debian packages.

    The whole path is checked before the first change. The control plane goes one by one, each machine healthy again
    before the next; then workers, one as a canary, then a quarter at a time (--serial). Each is cordoned, drained,
    upgraded and uncordoned, also when something fails; one that does not become healthy goes back by itself, and the
    rest is left untouched. Safe to interrupt and to repeat.
    """
    from kprov.cli.bundle_source import complete_bundle
    from kprov.cli.exit_codes import of_outcome
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.report.writing import reported
    from kprov.cli.run_limits import read_serial, read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision.bundle import Bundle
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.procedure import Options
    from kprov.provision.cluster.up import ROLES
    from kprov.provision.cluster.upgrading.upgrade import Upgrade

    if rollback and bundle is not None:
        raise typer.BadParameter(
            "--rollback goes back to what is on the machines: a bundle has no part in it", param_hint="--bundle"
        )
    loaded = open_inventory(chosen(inventory_file, inventory), extra_vars)
    options = Options(
        check=check,
        forks=forks,
        accept_new_host_keys=accept_new_host_keys,
        timeouts=read_timeouts(loaded, timeout),
        passphrase=passphrase_given(),
        command_line="kprov upgrade",
    )
    drained = drain_options(
        force=force,
        delete_emptydir_data=delete_emptydir_data,
        grace_period=grace_period,
        at_deadline=at_deadline,
    )
    batches = read_serial(serial)
    with reported(loaded.cluster.state_directory, wanted=not check), open_run_output() as shown:
        found = None  # the way back needs nothing that is not on the machines
        if not rollback:
            found = Bundle.open(bundle) if bundle is not None else complete_bundle(loaded, shown.tell)
        work = Upgrade(drained if drain else None, batches, rollback, shown.tell)
        with operation(loaded, shown.reporter, options, bundle=found, signs=not rollback) as context:
            context.engine.validate_roles(ROLES)
            work.run(context, list(loaded.hosts.values()))
            engine = context.engine
        code = of_outcome(engine.outcome())
        shown.finish([], code, None)
    raise typer.Exit(int(code))
