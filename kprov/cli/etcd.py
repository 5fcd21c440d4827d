"""``kprov etcd``: how its members stand, snapshots and the way back, and its upkeep."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kprov.cli.consent import Yes
from kprov.cli.exit_codes import ExitCode
from kprov.cli.invocation import OutputFormat
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    ExtraVars,
    InventoryPath,
    Output,
    TimeoutOptions,
    Verbose,
)

if TYPE_CHECKING:
    from kprov.cli.run_output import RunOutput
    from kprov.provision.cluster.phase import Phase
    from kprov.provision.cluster.storage.standing import EtcdState
    from kprov.provision.inventory import Host, Inventory

app = typer.Typer(help="Look after etcd: members, snapshots, the way back, upkeep.", no_args_is_help=True)


@app.command()
def status(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Show how every member stands, and what the loss of one would cost. Changes nothing.

    Exit code 4 when etcd is not as it should be.
    """
    from kprov.cli.etcd_texts import status_text

    _show(inventory, extra_vars, output, accept_new_host_keys, status_text)


@app.command("members")
def list_members(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """List the members, with their ids, beside the machines that should be members. Changes nothing."""
    from kprov.cli.etcd_texts import members_text

    _show(inventory, extra_vars, output, accept_new_host_keys, members_text)


@app.command()
def backup(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="Where to; default: etcd-snapshots/ in the state directory.", show_default=False
        ),
    ] = None,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Take a snapshot of etcd into a file of this computer, mode 0600, with its SHA-256 beside it."""
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.phase import Phase
    from kprov.provision.cluster.storage.room import writing_to
    from kprov.provision.cluster.storage.saving import Saving
    from kprov.provision.cluster.storage.snapshot_file import default_name

    loaded = _open(inventory, extra_vars)
    folder = loaded.cluster.state_directory / "etcd-snapshots"
    target = file or folder / default_name(loaded.cluster.cluster_name)
    target = target / default_name(loaded.cluster.cluster_name) if target.is_dir() else target
    saving = Saving(target)
    with writing_to(target.parent), open_run_output() as shown:
        code = _run(
            loaded,
            shown,
            (Phase("Take a snapshot", "etcd", procedure=saving.run, essential=True, whole=True),),
            "kprov etcd backup",
            accept_new_host_keys,
            timeout,
            lambda: _tell_saved(shown, saving),
        )
    raise typer.Exit(int(code))


@app.command()
def restore(
    snapshot: Annotated[Path, typer.Argument(metavar="SNAPSHOT", help="A file that `kprov etcd backup` made.")],
    inventory: InventoryPath = DEFAULT_INVENTORY,
    yes: Yes = False,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Put the whole cluster back to a snapshot: all machines of etcd, with a new cluster token.

    A snapshot whose checksum is wrong is refused. Says what is lost, and asks. Safe to interrupt and to repeat.
    """
    from kprov.cli.consent import consent
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.storage.restoring import KEPT, Restoring
    from kprov.provision.cluster.storage.snapshot_file import check

    loaded = _open(inventory, extra_vars)
    checked = check(snapshot)
    with open_run_output() as shown:
        question = f"Put {loaded.cluster.cluster_name} back to {snapshot.name}?"
        restoring = Restoring(checked, consent(question, yes=yes, tell=shown.tell))
        code = _run(
            loaded,
            shown,
            restoring.phases(),
            "kprov etcd restore",
            accept_new_host_keys,
            timeout,
            lambda: _tell_restored(shown, restoring.bumped, KEPT),
        )
    raise typer.Exit(int(code))


@app.command()
def recover(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    yes: Yes = False,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Repair the loss of etcd's quorum: a new cluster of the machines that are left, with what they have.

    Refused while etcd has a quorum. Says what is lost, and asks. The lost machines join again by `kprov up`.
    """
    from kprov.cli.consent import consent
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.storage.restoring import KEPT
    from kprov.provision.cluster.storage.salvage import Recovery
    from kprov.provision.cluster.storage.snapshot_file import default_name

    loaded = _open(inventory, extra_vars)
    target = (
        loaded.cluster.state_directory / "etcd-snapshots" / default_name(f"{loaded.cluster.cluster_name}-recovered")
    )
    with open_run_output() as shown:
        question = f"Make a new etcd of what is left of {loaded.cluster.cluster_name}'s?"
        recovery = Recovery(target, consent(question, yes=yes, tell=shown.tell))
        bumped = False

        def then() -> tuple[Phase, ...]:
            return recovery.restoring().phases()

        code = _run(
            loaded,
            shown,
            recovery.phases(),
            "kprov etcd recover",
            accept_new_host_keys,
            timeout,
            lambda: _tell_recovered(shown, recovery.source, [host.name for host in recovery.lost], KEPT, bumped),
            then=then,
            only_answering=True,
        )
    raise typer.Exit(int(code))


@app.command()
def defrag(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Give back the room that forgotten revisions took: member by member, the leader last, each healthy again first."""
    from kprov.cli.etcd_texts import size
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.phase import Phase
    from kprov.provision.cluster.storage.upkeep import Defragmentation

    loaded = _open(inventory, extra_vars)
    work = Defragmentation({}, {})
    with open_run_output() as shown:

        def tell() -> None:
            lines = [f"  {name}: {size(work.before[name])} -> {size(after)}" for name, after in work.after.items()]
            shown.reporter.event("defragmented", "\n".join(lines), before=work.before, after=work.after)

        phases = (Phase("Defragment etcd", "etcd", procedure=work.run, essential=True, whole=True),)
        code = _run(loaded, shown, phases, "kprov etcd defrag", accept_new_host_keys, timeout, tell)
    raise typer.Exit(int(code))


@app.command()
def compact(
    keep: Annotated[int, typer.Option("--keep", min=0, help="How many of the newest revisions stay.")] = 1000,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Forget old revisions. API servers do it every five minutes by themselves; `defrag` then gives the room back."""
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.phase import Phase
    from kprov.provision.cluster.storage.upkeep import Compaction

    loaded = _open(inventory, extra_vars)
    work = Compaction(keep)
    with open_run_output() as shown:
        phases = (Phase("Compact etcd", "etcd", procedure=work.run, essential=True, whole=True),)
        code = _run(
            loaded,
            shown,
            phases,
            "kprov etcd compact",
            accept_new_host_keys,
            timeout,
            lambda: shown.reporter.event("compacted", "", revision=work.revision),
        )
    raise typer.Exit(int(code))


def _open(inventory: Path, extra_vars: list[str] | None) -> Inventory:
    from kprov.cli.inventory_source import open_inventory

    return open_inventory(inventory, extra_vars)


def _run(
    inventory: Inventory,
    shown: RunOutput,
    phases: tuple[Phase, ...],
    command_line: str,
    accept_new_host_keys: bool,
    timeout: list[str] | None,
    tell: Callable[[], None],
    *,
    then: Callable[[], tuple[Phase, ...]] | None = None,
    only_answering: bool = False,
) -> ExitCode:
    """Run phases on the machines that an operation of etcd concerns. Returns the exit code.

    Args: ``then`` gives the phases that can be known only after the first; ``tell`` has the last word, if all is well.
    """
    from kprov.cli.exit_codes import of_outcome
    from kprov.cli.run_limits import read_timeouts
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.pace import run_phases
    from kprov.provision.cluster.procedure import Options

    options = Options(
        accept_new_host_keys=accept_new_host_keys,
        only_answering=only_answering,
        timeouts=read_timeouts(inventory, timeout),
        tell=shown.tell,
        command_line=command_line,
    )
    with operation(inventory, shown.reporter, options, _concerned(inventory, phases, then)) as context:
        context.engine.validate_roles(["kube-apiserver"])
        times = run_phases(context, phases)
        if then is not None:
            times += run_phases(context, then())
        engine = context.engine
    code = of_outcome(engine.outcome())
    if only_answering and code is ExitCode.UNREACHABLE:
        code = ExitCode.OK  # that machines are lost is why it was called
    if code is ExitCode.OK:
        tell()
    shown.finish(times, code, None)
    return code


def _concerned(inventory: Inventory, phases: tuple[Phase, ...], then: object) -> list[Host]:
    patterns = {phase.hosts for phase in phases} | ({"all"} if then is not None else set())
    names = {host.name for pattern in patterns for host in inventory.match(pattern)}
    return [host for host in inventory.hosts.values() if host.name in names]


def _show(
    inventory: Path,
    extra_vars: list[str] | None,
    output: OutputFormat,
    accept_new_host_keys: bool,
    text: Callable[[EtcdState], str],
) -> None:
    from kprov.provision.cluster.storage.standing import look_at_etcd

    loaded = _open(inventory, extra_vars)
    with looking(loaded, "kprov etcd status", accept_new_host_keys) as engine:
        hosts = loaded.group("etcd")
        engine.connect(hosts, facts=False)
        state = look_at_etcd(engine, hosts)
    code = ExitCode.OK if state.is_well and not state.restore_cut_off else ExitCode.VERIFICATION
    if output is OutputFormat.JSON:
        typer.echo(json.dumps({"event": "etcd", **state.as_dict(), "exit_code": int(code)}))
    else:
        typer.echo(text(state))
    raise typer.Exit(int(code))


def looking(inventory: Inventory, command_line: str, accept_new_host_keys: bool) -> AbstractContextManager[Any]:
    """An engine that only looks: it waits for no run, and holds none up."""
    from kprov.provision.cluster.procedure import Options, engine_for
    from kprov.provision.engine.reporter import SilentReporter

    options = Options(accept_new_host_keys=accept_new_host_keys, only_answering=True, command_line=command_line)
    return engine_for(inventory, SilentReporter(), options, locked=False)


def _tell_saved(shown: RunOutput, saving: Any) -> None:
    from kprov.cli.etcd_texts import size

    assert saving.status is not None
    took = f"{saving.target}: {size(saving.target.stat().st_size)}, {saving.status.total_keys} keys, "
    shown.reporter.event(
        "snapshot",
        took + f"revision {saving.status.revision}, from {saving.member}; sha256 {saving.sha256}",
        path=str(saving.target),
        sha256=saving.sha256,
        size=saving.target.stat().st_size,
        member=saving.member,
        taken=int(time.time()),
        **saving.status.as_dict(),
    )


def _tell_restored(shown: RunOutput, bumped: bool, kept: str) -> None:
    lines = [f"restored; what was there before is kept on each machine of etcd: {kept}"]
    if not bumped:
        lines.append(
            "this etcd can't raise its revisions: restart programs in the cluster that watch the API "
            "(operators), since they may hold newer ones than there are now"
        )
    shown.reporter.event("restored", "\n".join(lines), kept=kept, revisions_raised=bumped)


def _tell_recovered(shown: RunOutput, source: str, lost: list[str], kept: str, bumped: bool) -> None:
    lines = [f"etcd has a quorum again, with what {source} had; its data of before are kept there: {kept}"]
    if lost:
        lines.append(f"out of etcd: {', '.join(lost)}; `kprov up` lets them join anew once they are back")
    shown.reporter.event("recovered", "\n".join(lines), source=source, lost=lost, kept=kept)
