"""``kprov verify``: whether the cluster answers, works, and survives the loss of a control-plane machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.exit_codes import ExitCode
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    ExtraVars,
    InventoryArgument,
    InventoryPath,
    TimeoutOptions,
    Verbose,
    chosen,
)
from kprov.cli.verify_drills import catalogue_json, catalogue_text, drill_table, ended_in_order
from kprov.cli.verify_format import ProfileOption, VerifyFormat, VerifyOutput

if TYPE_CHECKING:
    from kprov.cli.run_output import RunOutput
    from kprov.provision.cluster.phase import PhaseTime
    from kprov.provision.cluster.procedure import Options
    from kprov.provision.inventory import Inventory
    from kprov.provision.verify import Report
    from kprov.provision.verify.drills import Drill
    from kprov.provision.verify.report import CheckResult

app = typer.Typer(help="Check that the cluster answers and is highly available.")


@app.command()
def verify(
    inventory_file: InventoryArgument = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    high_availability: Annotated[
        bool,
        typer.Option(
            "--ha/--no-ha",
            help="Take each control-plane machine away in turn: by its power switch where the inventory has one, by "
            "stopping its services elsewhere.",
        ),
    ] = False,
    drill: Annotated[
        list[str] | None,
        typer.Option(
            "--drill",
            metavar="NAME,...",
            help="Only these drills, or all: names of --list-drills, NAME/UNIT, or files of your own.",
            show_default=False,
        ),
    ] = None,
    list_drills: Annotated[bool, typer.Option("--list-drills", help="Say which drills there are.")] = False,
    profile: ProfileOption = None,
    report_file: Annotated[
        Path | None, typer.Option("--report", help="Write the report (JSON or JUnit, by --output) to this file too.")
    ] = None,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: VerifyOutput = VerifyFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Check machines, etcd, control plane, nodes, certificates, real work, and high availability."""
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.report.writing import reported
    from kprov.cli.run_limits import read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision import atomic
    from kprov.provision.cluster.procedure import Options
    from kprov.provision.verify.drills import choose

    if list_drills:
        typer.echo(catalogue_text() if output is VerifyFormat.TEXT else catalogue_json())
        raise typer.Exit
    drills = choose(drill) if drill else []
    loaded = open_inventory(chosen(inventory_file, inventory), extra_vars)
    options = Options(
        accept_new_host_keys=accept_new_host_keys,
        only_answering=True,
        timeouts=read_timeouts(loaded, timeout),
        command_line="kprov verify",
    )
    with reported(loaded.cluster.state_directory), open_run_output() as shown, ended_in_order():
        report, _ = run_verification(
            loaded,
            options,
            shown,
            high_availability=high_availability,
            benchmark_only=profile is not None,
            drills=drills,
            pass_over="all" in ",".join(drill or ()).split(","),
        )
        if drills and output is VerifyFormat.TEXT:
            shown.tell(drill_table(report))
    text = {VerifyFormat.JSON: report.to_json, VerifyFormat.JUNIT: report.to_junit}
    if output in text:
        typer.echo(text[output]())
    if report_file:
        atomic.write(report_file, report.to_junit() if output is VerifyFormat.JUNIT else report.to_json())
    raise typer.Exit(int(ExitCode.OK if report.passed else ExitCode.VERIFICATION))


def run_verification(
    inventory: Inventory,
    options: Options,
    output: RunOutput,
    *,
    high_availability: bool,
    benchmark_only: bool = False,
    drills: Sequence[Drill] = (),
    pass_over: bool = False,
) -> tuple[Report, PhaseTime]:
    """Connect and run the checks, or the drills if there are any, showing each as it ends.

    Args:
        high_availability: as `verify_cluster` takes it.
        benchmark_only: whether to hold the machines against the CIS benchmark, and no more.
        drills, pass_over: as `run_drills` takes them.

    Returns: the report, and how long it took.
    """
    from kprov.provision.cluster.context import api_servers
    from kprov.provision.cluster.phase import PhaseTime
    from kprov.provision.cluster.procedure import connect, engine_for, kubeconfig_path
    from kprov.provision.kubeapi.client import ClusterApi
    from kprov.provision.kubeapi.credentials import read_kubeconfig
    from kprov.provision.verify import Report, Session, verify_cluster
    from kprov.provision.verify.cis.check import verify_benchmark
    from kprov.provision.verify.drills import run_drills

    started = time.monotonic()
    credentials = read_kubeconfig(kubeconfig_path(inventory))
    report = Report(inventory.cluster.cluster_name, on_result=output.check_result)
    with engine_for(inventory, output.silent_reporter, options) as engine:

        def told(result: CheckResult) -> None:
            engine.journal.write("check", **asdict(result))
            output.check_result(result)

        report.on_result = told
        connect(engine, list(inventory.hosts.values()), only_answering=True)
        session = Session(
            engine,
            inventory,
            ClusterApi(api_servers(inventory), credentials, timeout=engine.timeouts.api),
            lambda server: ClusterApi([server], credentials, timeout=engine.timeouts.api / 2),
            report,
            output.tell,
        )
        if benchmark_only:
            verify_benchmark(session)
        elif drills:
            run_drills(session, drills, pass_over=pass_over)
        else:
            verify_cluster(session, high_availability=high_availability)
    return report, PhaseTime("Verify", time.monotonic() - started)
