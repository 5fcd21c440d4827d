"""``kprov status``: one screen that says whether the cluster is healthy, and what its next loss would cost."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.exit_codes import ExitCode
from kprov.cli.invocation import OutputFormat, current
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
from kprov.cli.passphrase import passphrase_given

if TYPE_CHECKING:
    from kprov.provision.cluster.condition.cluster import ClusterState
    from kprov.provision.cluster.condition.finding import Finding

app = typer.Typer(help="Show on one screen how the cluster stands.")

Show = Callable[["ClusterState", list["Finding"]], None]


@app.command()
def status(
    inventory_file: InventoryArgument = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option("--interval", min=0.5, help="Seconds between two looks.")] = 3.0,
    drift: Annotated[
        bool,
        typer.Option(
            "--drift", help="First compare all that is on the machines with the inventory, as `kprov plan` does."
        ),
    ] = False,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Is it healthy, is it highly available right now, what would its next loss cost, what expires, what drifts.

    Changes nothing, waits for no other run, and shows machines that do not answer as such. Exit code 4 when something
    is not right.
    """

    def show(state: ClusterState, findings: list[Finding]) -> None:
        if output is OutputFormat.JSON:
            from kprov.cli.status_text import answers

            found = [finding.as_dict() for finding in findings]
            typer.echo(
                json.dumps(
                    {"event": "status", **state.as_dict(), "answers": answers(state, findings), "findings": found}
                )
            )
            return
        from kprov.cli.status_text import screen

        if watch and sys.stdout.isatty():
            typer.echo("\x1b[2J\x1b[H", nl=False)
        typer.echo(screen(state, findings))

    source = chosen(inventory_file, inventory)
    if drift:
        _compare(source, extra_vars, timeout, accept_new_host_keys=accept_new_host_keys)
    findings = look_and_show(
        source,
        extra_vars,
        show,
        interval=interval if watch else None,
        timeout=timeout,
        accept_new_host_keys=accept_new_host_keys,
    )
    raise typer.Exit(int(code_for(findings)))


def _compare(
    inventory: Path, extra_vars: list[str] | None, timeout: list[str] | None, *, accept_new_host_keys: bool
) -> None:
    """Compare all machines with the inventory; what is found is remembered as that of a `kprov plan`."""
    from kprov.cli.bundle_source import complete_bundle
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import read_timeouts
    from kprov.provision.cluster.phase import ClusterError
    from kprov.provision.cluster.procedure import Options, PreflightError, UnreachableError, run_procedure
    from kprov.provision.cluster.up import UP
    from kprov.provision.engine.reporter import SilentReporter

    loaded = open_inventory(inventory, extra_vars)
    options = Options(
        check=True,
        accept_new_host_keys=accept_new_host_keys,
        only_answering=True,
        timeouts=read_timeouts(loaded, timeout or ["connect=4s"]),
        passphrase=passphrase_given(),
        command_line="kprov plan",
    )
    bundle = complete_bundle(loaded, lambda line: typer.echo(line, err=True))
    try:
        run_procedure(loaded, UP, bundle, SilentReporter(), options)
    except (ClusterError, PreflightError, UnreachableError) as error:
        said = "; ".join(map(str, getattr(error, "problems", ()))) or str(error)
        typer.echo(f"the machines can't be compared with the inventory now: {said}", err=True)


def code_for(findings: list[Finding]) -> ExitCode:
    """Notes are no failure."""
    return ExitCode.VERIFICATION if any(finding.severity != "note" for finding in findings) else ExitCode.OK


def look_and_show(
    inventory: Path,
    extra_vars: list[str] | None,
    show: Show,
    *,
    interval: float | None,
    timeout: list[str] | None,
    accept_new_host_keys: bool,
) -> list[Finding]:
    """Connect, look, show; with an interval, until interrupted. Returns: what is wrong at last."""
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import read_timeouts
    from kprov.provision.cluster.condition.cluster import look
    from kprov.provision.cluster.condition.judgement import judge
    from kprov.provision.cluster.procedure import Options, engine_for, kubeconfig_path
    from kprov.provision.engine.reporter import SilentReporter

    loaded = open_inventory(inventory, extra_vars)
    options = Options(
        accept_new_host_keys=accept_new_host_keys,
        only_answering=True,
        timeouts=read_timeouts(loaded, timeout or ["connect=4s"]),
        command_line=f"kprov {current.verb}",
    )
    with engine_for(loaded, SilentReporter(), options, locked=False) as engine:
        while True:
            lost = [name for name, state in engine.state.items() if state.state != "connected"]
            for name in lost:
                engine.forgive(name)
            engine.connect(lost)
            state = look(engine, loaded, kubeconfig_path(loaded))
            findings = judge(state, str(inventory))
            show(state, findings)
            if interval is None:
                return findings
            time.sleep(interval)
