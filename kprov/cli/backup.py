"""``kprov backup``: everything that the cluster is, in one sealed file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

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

app = typer.Typer(help="Save everything that the cluster is in one sealed file.")

# The variable of the environment that holds the passphrase; never the command line, where `ps` shows it.
PASSPHRASE = "KPROV_BACKUP_PASSPHRASE"  # noqa: S105 - its name


class NotGiven(Exception):
    """Something is missing without which nothing can be begun; the message says what to do."""

    exit_code = ExitCode.USAGE


def passphrase(*, confirm: bool) -> str:
    """From the environment, else asked for.

    Raises: NotGiven where there is nobody to ask.
    """
    if given := os.environ.get(PASSPHRASE):
        return given
    if not sys.stdin.isatty():
        raise NotGiven(f"there is no terminal to ask for the backup's passphrase on: give it in {PASSPHRASE}")
    return str(typer.prompt("The backup's passphrase", hide_input=True, confirmation_prompt=confirm))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it is replaced when all is well.")],
    inventory: InventoryPath = DEFAULT_INVENTORY,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Save a fresh snapshot of etcd, the authorities, the keys of Secrets, and the inventory, sealed with a passphrase.

    The passphrase is asked for, or is in KPROV_BACKUP_PASSPHRASE. `kprov restore` makes a cluster of it again.
    """
    from tempfile import TemporaryDirectory

    from kprov.cli.exit_codes import of_outcome
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.pace import run_phases
    from kprov.provision.cluster.phase import Phase
    from kprov.provision.cluster.procedure import Options
    from kprov.provision.cluster.storage.archive import write_archive
    from kprov.provision.cluster.storage.room import writing_to
    from kprov.provision.cluster.storage.saving import Saving

    loaded = open_inventory(inventory, extra_vars)
    if not file.resolve().parent.is_dir():
        raise NotGiven(f"{file}: the folder {file.resolve().parent} is not there: make it, or name another")
    secret = passphrase(confirm=True)
    options = Options(
        accept_new_host_keys=accept_new_host_keys,
        timeouts=read_timeouts(loaded, timeout),
        command_line="kprov backup",
    )
    beside = file.resolve().parent
    with (
        writing_to(beside),
        open_run_output() as shown,
        TemporaryDirectory(prefix="kprov-backup-", dir=beside) as folder,
    ):
        saving = Saving(Path(folder) / "etcd.db")
        phase = Phase("Take a snapshot", "etcd", procedure=saving.run, essential=True, whole=True)
        with operation(loaded, shown.reporter, options, loaded.group("etcd")) as context:
            times = run_phases(context, (phase,))
            engine = context.engine
        code = of_outcome(engine.outcome())
        if code is ExitCode.OK:
            names = write_archive(file, loaded, saving.target, secret)
            text = f"{file}: {len(names)} files, {file.stat().st_size} bytes, sealed"
            shown.reporter.event("backup", text, path=str(file), files=names)
        shown.finish(times, code, None)
    raise typer.Exit(int(code))
