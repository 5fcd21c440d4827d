"""How the verbs of ``kprov node`` run: an operation over some machines, its procedure and its last word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from kprov.provision.cluster.phase import Procedure
    from kprov.provision.inventory import Host, Inventory


class MachineError(ValueError):
    """A machine that is named on the command line and can't be meant. Nothing was changed."""

    exit_code = ExitCode.USAGE


def machines_of(inventory: Inventory, pattern: str) -> list[Host]:
    """The machines that are meant. Raises MachineError."""
    from kprov.provision.inventory.problems import did_you_mean

    try:
        hosts = inventory.match(pattern, files=True)
    except ValueError as error:
        raise MachineError(f"{pattern}: {error}") from None
    if not hosts:
        raise MachineError(
            f"{pattern}: no machine of the inventory is meant by it: {did_you_mean(pattern, inventory.hosts)}"
        )
    return hosts


def on_nodes(
    verb: str,
    inventory: Path,
    pattern: str,
    procedure: Procedure,
    extra_vars: list[str] | None,
    timeout: Sequence[str] | None,
    *,
    check: bool,
) -> int:
    """Run what is done through the API alone: no machine is connected to. Returns the exit code."""
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.procedure import Options

    loaded = open_inventory(inventory, extra_vars)
    hosts = machines_of(loaded, pattern)
    options = Options(
        check=check,
        timeouts=read_timeouts(loaded, timeout),
        command_line=f"kprov node {verb}",
    )
    with open_run_output() as shown:
        with operation(loaded, shown.reporter, options, []) as context:
            procedure(context, hosts)
            engine = context.engine
        code = _code(engine)
        shown.finish([], code, None)
    return int(code)


def _code(engine: Any) -> ExitCode:
    from kprov.cli.exit_codes import of_outcome

    return of_outcome(engine.outcome())
