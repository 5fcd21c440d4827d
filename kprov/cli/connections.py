"""``kprov connections``: the connections that runs left to the runs after them (``kprov_keep_connections``)."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kprov.cli.exit_codes import ExitCode
from kprov.cli.failures import warn
from kprov.cli.invocation import OutputFormat
from kprov.cli.options import Output, Verbose

app = typer.Typer(help="List or end the connections that runs left to the next run.", no_args_is_help=True)


class NotKept(ValueError):
    """No connection is kept to a machine that was named."""

    exit_code = ExitCode.USAGE


@app.command("list")
def list_connections(output: Output = OutputFormat.TEXT, verbose: Verbose = 0) -> None:
    """List the connections of yours that are kept, and the seconds that each has left.

    They are kept for as long as `kprov_keep_connections` says: a minute by default. Nothing is sent to a machine.
    """
    from kprov.cli.tables import table
    from kprov.provision.transport.kept import KeptConnections

    found = sorted(KeptConnections(0, warn).list())
    if output is OutputFormat.JSON:
        for host, seconds in found:
            typer.echo(json.dumps({"event": "connection", "host": host, "seconds_left": seconds}))
        typer.echo(json.dumps({"event": "summary", "exit_code": 0, "connections": len(found)}))
    elif found:
        typer.echo(table(("HOST", "ENDS IN"), [(host, f"{seconds} s") for host, seconds in found]))
    else:
        typer.echo("no connection is kept")


@app.command()
def close(
    hosts: Annotated[
        list[str] | None, typer.Argument(metavar="HOST", help="Only those to these machines.", show_default=False)
    ] = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """End kept connections of yours: all, or those to some machines. Their agents leave the machines at once.

    Connections of a run that is under way are its own, and stay.
    """
    from kprov.provision.transport.kept import KeptConnections

    kept = KeptConnections(0, warn)
    if hosts:
        there = {host for host, _ in kept.list()}
        missing = [host for host in hosts if host not in there]
        if missing:
            known = ", ".join(sorted(there)) or "none"
            raise NotKept(f"no connection is kept to {', '.join(missing)}; there are: {known}")
    count = kept.close(hosts or None)
    if output is OutputFormat.JSON:
        typer.echo(json.dumps({"event": "summary", "exit_code": 0, "closed": count}))
    else:
        typer.echo(f"ended {count} connection{'s' * (count != 1)}")
