"""``kprov exec``: a command on some machines, now."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.invocation import OutputFormat
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    ExtraVars,
    Forks,
    InventoryPath,
    Limit,
    Output,
    TimeoutOptions,
    Verbose,
)

if TYPE_CHECKING:
    from kprov.provision.engine import Result

app = typer.Typer(help="Run a command on some machines, now.")


@app.command()
def execute(
    context: typer.Context,
    command: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND", help="A command line for the machine's shell, in quotes; or words after --."),
    ],
    inventory: InventoryPath = DEFAULT_INVENTORY,
    limit: Limit = "",
    chdir: Annotated[str, typer.Option("--chdir", help="The folder that it runs in.", show_default=False)] = "",
    become_user: Annotated[
        str, typer.Option("--become-user", metavar="USER", help="Run it as this user.", show_default=False)
    ] = "",
    forks: Forks = 32,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Run a command on some machines, now; machines with the same output are shown together.

    It takes no lock: what it changes is up to the command. Ends with 0 when it ended with 0 on every machine.
    """
    from kprov.cli.ad_hoc import Asked, machines_of, results_of, show
    from kprov.cli.ansible_settings import read_settings
    from kprov.cli.inventory_source import limit_hosts
    from kprov.cli.output import make_reporter
    from kprov.cli.run_limits import read_timeouts

    settings, inventory = read_settings(context, inventory)
    loaded = machines_of(inventory, extra_vars, settings)
    line = command[0] if len(command) == 1 else shlex.join(command)
    arguments = {"cmd": line, **({"chdir": chdir} if chdir else {})}
    asked = Asked(
        "shell",
        arguments,
        settings.of(loaded),
        become_user=become_user or None,
        timeouts=read_timeouts(loaded, timeout),
        forks=forks,
        accept_new_host_keys=accept_new_host_keys,
        lock=False,
        command_line="kprov exec",
    )
    reporter = make_reporter()
    results, code = results_of(loaded, limit_hosts(loaded, limit), asked, reporter)
    show(reporter, results, _text)
    reporter.finish(int(code))
    raise typer.Exit(int(code))


def _text(result: Result) -> tuple[str, str]:
    """The headline and what the command said."""
    if "rc" not in result.data:
        return f"{result.status}: {result.message}", ""
    said = [result.data.get("stdout", "").rstrip("\n"), result.data.get("stderr", "").rstrip("\n")]
    rc = result.data["rc"]
    return f"exit code {rc}" if rc >= 0 else f"{result.status}: {result.message}", "\n".join(
        part for part in said if part
    )
