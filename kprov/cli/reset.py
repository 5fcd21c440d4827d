"""``kprov reset``: takes off the machines what kprov put there, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from kprov.cli.consent import Yes
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
    TimeoutOptions,
    Verbose,
    chosen,
)

app = typer.Typer(help="Take everything that kprov put there off the machines.")


@app.command()
def reset(
    inventory_file: InventoryArgument = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    yes: Yes = False,
    only_answering: Annotated[
        bool, typer.Option("--only-answering", help="Go on with the machines that answer when some do not.")
    ] = False,
    check: Check = False,
    diff: Diff = False,
    forks: Forks = 32,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Take the cluster off its machines: each becomes what it was before kprov. All of the cluster's data are lost.

    What was there before is brought back, what was put there by others stays, SSH is left alone. For one machine of a
    cluster that goes on: `kprov node remove`. Safe to interrupt and to repeat.
    """
    from kprov.cli.consent import consent
    from kprov.cli.exit_codes import of_outcome
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.pace import run_phases
    from kprov.provision.cluster.procedure import Options
    from kprov.provision.cluster.reset import RESET
    from kprov.provision.transport.kept import KeptConnections

    loaded = open_inventory(chosen(inventory_file, inventory), extra_vars)
    options = Options(
        check=check,
        diff=diff,
        forks=forks,
        accept_new_host_keys=accept_new_host_keys,
        only_answering=only_answering,
        timeouts=read_timeouts(loaded, timeout),
        command_line="kprov reset",
    )
    with open_run_output(diff=diff) as shown:
        if not check:
            question = f"Take {loaded.cluster.cluster_name} off {len(loaded.hosts)} machines?"
            consent(question, yes=yes, tell=shown.tell)(
                [
                    f"the cluster {loaded.cluster.cluster_name} and everything that is kept in it",
                    f"all pods, volumes on the machines and images on {', '.join(loaded.hosts)}",
                ]
            )
        with operation(loaded, shown.reporter, options, known=False) as context:
            times = run_phases(context, RESET)
            engine = context.engine
        KeptConnections(0, shown.tell).forget(loaded.hosts)
        code = of_outcome(engine.outcome())
        if code is ExitCode.OK and not check:
            shown.tell(f"authorities, kubeconfig and journals stay here: {loaded.cluster.state_directory}")
        shown.finish(times, code, None)
    raise typer.Exit(int(code))
