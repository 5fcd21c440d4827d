"""``kprov doctor``: what is wrong, what it means, and which command mends it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from kprov.cli.invocation import OutputFormat
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    ExtraVars,
    InventoryArgument,
    InventoryPath,
    Output,
    TimeoutOptions,
    Verbose,
    chosen,
)
from kprov.cli.status import code_for, look_and_show

if TYPE_CHECKING:
    from kprov.provision.cluster.condition.cluster import ClusterState
    from kprov.provision.cluster.condition.finding import Finding

app = typer.Typer(help="Say what is wrong with the cluster, and which command mends it.")


@app.command()
def doctor(
    inventory_file: InventoryArgument = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Look at everything that `kprov status` looks at, and explain what is wrong, the worst first. Changes nothing.

    Exit code 4 when something is not right.
    """

    def show(state: ClusterState, findings: list[Finding]) -> None:
        if output is OutputFormat.JSON:
            for finding in findings:
                typer.echo(json.dumps({"event": "finding", **finding.as_dict()}))
            typer.echo(
                json.dumps({"event": "summary", "findings": len(findings), "exit_code": int(code_for(findings))})
            )
            return
        from kprov.cli.status_text import explanation

        typer.echo(explanation(findings))

    findings = look_and_show(
        chosen(inventory_file, inventory),
        extra_vars,
        show,
        interval=None,
        timeout=timeout,
        accept_new_host_keys=accept_new_host_keys,
    )
    raise typer.Exit(int(code_for(findings)))
