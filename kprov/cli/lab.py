"""``kprov lab``: machines for trying kprov without hardware."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(help="Machines for trying kprov without hardware: systemd containers with their own sshd.")

LabName = Annotated[str, typer.Option("--lab", envvar="KPROV_LAB", help="Name of the lab.")]
Machines = Annotated[list[str], typer.Argument(metavar="MACHINE", help="Names of machines.", show_default=False)]


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _fail(error: Exception) -> NoReturn:
    typer.secho(f"kprov lab: {error}", fg="red", err=True)
    raise typer.Exit(1) from error


@app.command()
def up(
    control_planes: Annotated[int, typer.Option(help="How many control-plane machines.")] = 3,
    workers: Annotated[int, typer.Option(help="How many workers.")] = 2,
    release: Annotated[
        list[str] | None, typer.Option(help="Debian release of the workers (12, 13), in turn; one alone: of all.")
    ] = None,
    subnet: Annotated[str | None, typer.Option(help="IPv4 network of the lab.")] = None,
    etcd_disk: Annotated[
        int, typer.Option(metavar="MIB", help="A disk of so many MiB for etcd's data alone on control-plane machines.")
    ] = 0,
    inventory: Annotated[Path, typer.Option(help="Inventory file to write.")] = Path("inventories/lab.yaml"),
    lab: LabName = "lab",
    timeout: Annotated[float, typer.Option(help="Seconds for the machines to boot.")] = 90.0,
) -> None:
    """Make the machines and wait until every one answers on SSH."""
    from kprov.debian.host_packages import MissingPrograms
    from kprov.lab import layout, lifecycle
    from kprov.lab.errors import LabError
    from kprov.lab.state import LabState

    try:
        wanted = layout.lay_out(
            name=lab,
            subnet=subnet or layout.DEFAULT_SUBNET,
            control_planes=control_planes,
            workers=workers,
            releases=tuple(release or ()),
            etcd_disk=etcd_disk,
        )
        lifecycle.up(LabState(lab), wanted, inventory, say=_say, deadline=timeout)
    except (LabError, MissingPrograms, ValueError) as error:
        _fail(error)
    typer.echo(f"{len(wanted.machines)} machines are up; their inventory is {inventory}")


@app.command()
def down(lab: LabName = "lab") -> None:
    """Remove the machines and everything that belongs to them."""
    from kprov.lab import lifecycle
    from kprov.lab.errors import LabError
    from kprov.lab.state import LabState

    try:
        there = lifecycle.down(LabState(lab))
    except LabError as error:
        _fail(error)
    typer.echo("the lab is gone" if there else "there was no lab")


@app.command("list")
def list_machines(
    lab: LabName = "lab",
    output: Annotated[str, typer.Option(help="table or json.")] = "table",
) -> None:
    """List the machines and whether they are on."""
    from kprov.lab.errors import LabError
    from kprov.lab.readiness import what_is_missing
    from kprov.lab.state import LabState

    state = LabState(lab)
    try:
        layout = state.load()
        rows = [
            {
                "name": machine.name,
                "release": f"Debian {machine.release}",
                "address": machine.address,
                "groups": list(machine.groups),
                "state": what_is_missing(state, machine) or "ready",
            }
            for machine in (layout.machines if layout else ())
        ]
    except LabError as error:
        _fail(error)
    if output == "json":
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("NAME", "RELEASE", "ADDRESS", "GROUPS", "STATE", box=None)
    for row in rows:
        table.add_row(*(", ".join(cell) if isinstance(cell, list) else str(cell) for cell in row.values()))
    Console().print(table if rows else "no lab; make one with: kprov lab up")


@app.command(context_settings={"ignore_unknown_options": True})
def ssh(
    name: Annotated[str, typer.Argument(metavar="MACHINE", help="Name of the machine.")],
    command: Annotated[list[str] | None, typer.Argument(help="What to run there; a shell without it.")] = None,
    user: Annotated[str, typer.Option(help="User to log in as.")] = "root",
    lab: LabName = "lab",
) -> None:
    """Log in to a machine, or run a command on it."""
    from kprov.lab.errors import LabError
    from kprov.lab.login import ssh_command
    from kprov.lab.state import LabState

    state = LabState(lab)
    try:
        arguments = ssh_command(state, state.layout().machine(name), user=user)
    except LabError as error:
        _fail(error)
    os.execvp(arguments[0], [*arguments, *(command or [])])  # noqa: S606


@app.command()
def stop(names: Machines, lab: LabName = "lab") -> None:
    """Cut machines' power: at once, with no word of warning. Their disks stay."""
    from kprov.lab import lifecycle
    from kprov.lab.errors import LabError
    from kprov.lab.state import LabState

    try:
        lifecycle.stop(LabState(lab), names)
    except LabError as error:
        _fail(error)


@app.command()
def start(names: Machines, lab: LabName = "lab", timeout: float = 90.0) -> None:
    """Turn machines on and wait until they answer on SSH."""
    from kprov.lab import lifecycle
    from kprov.lab.errors import LabError
    from kprov.lab.state import LabState

    try:
        lifecycle.start(LabState(lab), names, deadline=timeout)
    except LabError as error:
        _fail(error)


@app.command()
def unplug(names: Machines, lab: LabName = "lab") -> None:
    """Pull machines' network cables."""
    _plug(names, lab, connected=False)


@app.command()
def plug(names: Machines, lab: LabName = "lab") -> None:
    """Plug machines' network cables in again."""
    _plug(names, lab, connected=True)


def _plug(names: list[str], lab: str, *, connected: bool) -> None:
    from kprov.lab import network
    from kprov.lab.errors import LabError
    from kprov.lab.state import LabState

    try:
        layout = LabState(lab).layout()
        for name in names:
            network.plug(layout, layout.machine(name).name, connected=connected)
    except LabError as error:
        _fail(error)
