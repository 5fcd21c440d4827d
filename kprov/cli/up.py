"""``kprov up``: from the machines of an inventory to a verified cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
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
    Limit,
    ListHosts,
    ListPhases,
    ListTags,
    ListTasks,
    MaxFail,
    Output,
    Serial,
    SkipTags,
    StartAtPhase,
    Step,
    Tags,
    TimeoutOptions,
    Verbose,
    chosen,
)
from kprov.cli.passphrase import passphrase_given

if TYPE_CHECKING:
    from kprov.cli.run_limits import Listing
    from kprov.provision.inventory import Inventory

app = typer.Typer(help="Turn the machines of an inventory into a cluster, or bring one up to date.")


@app.command()
def up(
    inventory_file: InventoryArgument = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    check: Check = False,
    diff: Diff = False,
    verify: Annotated[
        bool | None,
        typer.Option(
            "--verify/--no-verify",
            help="Check the cluster at the end (without taking machines away). Default: when all machines and phases "
            "are run.",
            show_default=False,
        ),
    ] = None,
    only_answering: Annotated[
        bool, typer.Option("--only-answering", help="Go on with the machines that answer when some do not.")
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            help="Do what this plan says (`kprov plan -o FILE`) and nothing else; refuse if anything is not as it was.",
            show_default=False,
        ),
    ] = None,
    limit: Limit = "",
    tags: Tags = None,
    skip_tags: SkipTags = None,
    start_at_phase: StartAtPhase = "",
    serial: Serial = "",
    max_fail: MaxFail = "",
    step: Step = False,
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
    """Turn the machines of an inventory into a cluster, or bring one up to date.

    Safe to interrupt at any moment and to repeat: the same command goes on.
    """
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.plan_files import limits_of, refuse_beside_plan
    from kprov.cli.run_limits import Listing, limits
    from kprov.provision.cluster.plan_file import read_plan
    from kprov.provision.cluster.planning import Planning
    from kprov.provision.cluster.procedure import Options

    source, planned = chosen(inventory_file, inventory), None
    if plan is not None:
        refuse_beside_plan(
            check=check,
            only_answering=only_answering,
            limit=limit,
            tags=tags,
            skip_tags=skip_tags,
            start_at_phase=start_at_phase,
        )
        planned = read_plan(plan)
        source = Path(planned.inventory) if source == DEFAULT_INVENTORY and not source.exists() else source
    loaded = open_inventory(source, extra_vars)
    limited = limits(
        loaded,
        limit=limit,
        tags=tags,
        skip_tags=skip_tags,
        start_at_phase=start_at_phase,
        serial=serial,
        max_fail=max_fail,
        step=step,
        timeouts=timeout,
    )
    options = Options(
        check=check,
        diff=diff,
        **(limited if planned is None else limited | limits_of(planned)),
        planning=Planning(carry_out=planned),
        forks=forks,
        accept_new_host_keys=accept_new_host_keys,
        only_answering=only_answering,
        passphrase=passphrase_given(),
        command_line="kprov plan" if check else "kprov up",
    )
    listing = Listing(list_phases, list_hosts, list_tags, list_tasks)
    wanted = options.is_whole if verify is None else verify
    raise typer.Exit(int(run(loaded, options, verify=wanted and not check, listing=listing, plan_file=plan)))


def run(
    inventory: Inventory, options: object, *, verify: bool, listing: Listing, plan_file: Path | None = None
) -> ExitCode:
    """Run the phases, then the checks. Returns the exit code; raises what ends a run before it begins.

    Args: ``plan_file`` is where the plan is written to that is made, or lies that is carried out.
    """
    from kprov.cli import going_on, plan_files
    from kprov.cli import listing as lists
    from kprov.cli.bundle_source import complete_bundle
    from kprov.cli.drift import tell_drift
    from kprov.cli.exit_codes import of_outcome
    from kprov.cli.report.writing import reported
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.planning import Planning
    from kprov.provision.cluster.procedure import Options, refuse_wrong_selection, run_procedure
    from kprov.provision.cluster.up import UP

    assert isinstance(options, Options)
    if listing:
        lists.show(inventory, UP, options, listing)
        return ExitCode.OK
    refuse_wrong_selection(UP, options)
    with (
        reported(inventory.cluster.state_directory, wanted=not options.check),
        open_run_output(diff=options.diff) as output,
    ):
        options.tell = output.tell
        bundle = complete_bundle(inventory, output.tell)
        if options.planning.carry_out is not None and plan_file is not None:
            plan_files.tell_begin(options.planning.carry_out, plan_file, output)
        if options.check:
            going_on.tell_who_works(inventory.cluster.state_directory, output)
        else:
            going_on.tell_what_was_left(inventory.cluster.state_directory, options.command_line, output)
        engine, times = run_procedure(inventory, UP, bundle, output.reporter, options)
        code = of_outcome(engine.outcome())
        tell_drift(inventory.cluster.state_directory, engine.run_id, output)
        if options.planning.carry_out is not None:
            plan_files.tell_end(options.planning, output)
        if options.planning.make and plan_file is not None:
            written = plan_files.write(options.planning, plan_file, output, inventory)
            code = ExitCode.FAILED if code is ExitCode.OK and not written else code
        passed: bool | None = None
        if verify and code is ExitCode.OK:
            from kprov.cli.verify import run_verification

            looking = replace(options, command_line="kprov verify", planning=Planning())
            report, seconds = run_verification(inventory, looking, output, high_availability=False)
            times.append(seconds)
            passed = report.passed
            code = ExitCode.OK if passed else ExitCode.VERIFICATION
        output.finish(times, code, passed)
    return code
