"""``kprov restore``: a cluster again, of what ``kprov backup`` saved, on the same machines or on new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.consent import Yes
from kprov.cli.exit_codes import ExitCode
from kprov.cli.options import AcceptNewHostKeys, TimeoutOptions, Verbose

if TYPE_CHECKING:
    from kprov.provision.cluster.storage.archive import Unpacked

app = typer.Typer(help="Make a cluster again of what `kprov backup` saved.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `kprov backup` wrote.")],
    into: Annotated[
        Path, typer.Option("--into", help="An empty folder that becomes the cluster's: inventory and state.")
    ] = Path("restored"),
    inventory: Annotated[
        Path | None,
        typer.Option(
            "--inventory",
            "-i",
            help="The new machines, by the old names, where their addresses or keys are others; default: as saved.",
            show_default=False,
        ),
    ] = None,
    unpack_only: Annotated[
        bool, typer.Option("--unpack-only", help="Only unseal the file into the folder; contact no machine.")
    ] = False,
    yes: Yes = False,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    verbose: Verbose = 0,
) -> None:
    """Unseal the file into a folder, raise the cluster on the inventory's machines, and put etcd back to the snapshot.

    Interrupted, the same command goes on: what is unsealed already is compared, never overwritten by something else.
    """
    from kprov.cli.backup import NotGiven, passphrase
    from kprov.cli.main import run
    from kprov.provision.cluster.storage.archive import unpack_archive
    from kprov.provision.cluster.storage.room import writing_to

    if not file.is_file():
        raise NotGiven(f"{file}: there is no such file: name one that `kprov backup` wrote")
    with writing_to(into):
        unpacked = unpack_archive(file, into, passphrase(confirm=False), inventory)
    typer.echo(f"unsealed into {into}: {unpacked.inventory.name}, {unpacked.state.name}/, {unpacked.snapshot.name}")
    shared = ["-i", str(unpacked.inventory), "-e", f"state_directory={unpacked.state.resolve()}"]
    shared += [word for each in timeout or () for word in ("--timeout", each)]
    shared += ["--accept-new-host-keys"] if accept_new_host_keys else []
    steps = [
        ["up", *shared, "--no-verify"],
        ["etcd", "restore", str(unpacked.snapshot), *shared, *(["--yes"] if yes else [])],
        # The cluster's own objects, and the nodes, are those of the snapshot now: they are made to fit again.
        ["up", *shared],
    ]
    if not unpack_only and _was_cut_off(unpacked, accept_new_host_keys):
        # Nothing else may be done to etcd until its restore has come to its end; the machines are raised already.
        typer.echo("a restore of etcd was cut off on these machines: it goes on")
        del steps[0]
    if unpack_only:
        typer.echo("\n".join(["go on with:", *("  kprov " + " ".join(step) for step in steps)]))
        return
    for step in steps:
        typer.echo("kprov " + " ".join(step))
        code = run(step)
        if code != ExitCode.OK:
            raise typer.Exit(code)
    kept = f"state_directory: {unpacked.state.resolve()}"
    typer.echo(
        f"the cluster's keys are in {unpacked.state}: write `{kept}` under all.vars in {unpacked.inventory}, "
        "or give every command -e state_directory=... from now on"
    )


def _was_cut_off(unpacked: Unpacked, accept_new_host_keys: bool) -> bool:
    """Whether a machine of etcd says so. One that can't be asked says nothing: the first step tells of it."""
    from kprov.cli.etcd_runs import looking
    from kprov.cli.inventory_source import open_inventory
    from kprov.provision.cluster.etcd import NOT_FINISHED

    loaded = open_inventory(unpacked.inventory, [f"state_directory={unpacked.state.resolve()}"])
    with looking(loaded, "kprov restore", accept_new_host_keys) as engine:
        hosts = loaded.group("etcd")
        engine.connect(hosts, facts=False)
        alive = [host.name for host in engine.alive(hosts)]
        found = engine.module_all(dict.fromkeys(alive, ("stat", {"path": NOT_FINISHED, "_quiet": True})))
    return any(not result.failed and result["stat"]["exists"] for result in found.values())
