"""``kprov etcd``: how its members stand, snapshots and the way back, and its upkeep."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.consent import Yes
from kprov.cli.etcd_runs import looking, run_on_etcd, tell_recovered, tell_restored, tell_saved
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
    from kprov.provision.cluster.storage.standing import EtcdState
    from kprov.provision.inventory import Inventory

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
        code = run_on_etcd(
            loaded,
            shown,
            (Phase("Take a snapshot", "etcd", procedure=saving.run, essential=True, whole=True),),
            "kprov etcd backup",
            accept_new_host_keys,
            timeout,
            lambda: tell_saved(shown, saving),
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
        code = run_on_etcd(
            loaded,
            shown,
            restoring.phases(),
            "kprov etcd restore",
            accept_new_host_keys,
            timeout,
            lambda: tell_restored(shown, restoring.bumped, KEPT),
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
        code = run_on_etcd(
            loaded,
            shown,
            recovery.phases(),
            "kprov etcd recover",
            accept_new_host_keys,
            timeout,
            lambda: tell_recovered(shown, recovery, KEPT),
            then=lambda: recovery.restoring().phases(),
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
        code = run_on_etcd(loaded, shown, phases, "kprov etcd defrag", accept_new_host_keys, timeout, tell)
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
        code = run_on_etcd(
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
