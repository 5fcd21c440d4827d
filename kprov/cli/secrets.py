"""``kprov secrets``: the key that Secrets are sealed with in etcd, and its change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from kprov.provision.pki.keyring import Keyring

app = typer.Typer(help="Rotate the key that Secrets are sealed with in etcd.", no_args_is_help=True)


@app.command()
def status(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Show with which keys the Secrets in etcd are sealed. Changes nothing.

    Exit code 4 when one is not sealed, or a change of keys is under way.
    """
    from kprov.cli.etcd_runs import looking
    from kprov.cli.inventory_source import open_inventory
    from kprov.provision.cluster.encryption import count_sealed
    from kprov.provision.pki.keyring import load_keyring

    loaded = open_inventory(inventory, extra_vars)
    keyring = load_keyring(loaded.cluster.state_directory)
    with looking(loaded, "kprov secrets status", accept_new_host_keys) as engine:
        hosts = loaded.group("etcd")
        engine.connect(hosts, facts=False)
        counts = count_sealed(engine, hosts)
    fine = keyring is not None and keyring.is_settled and not set(counts) - {keyring.writes}
    code = ExitCode.OK if fine else ExitCode.VERIFICATION
    if output is OutputFormat.JSON:
        keys = [key.name for key in keyring.keys] if keyring else []
        shown = {"event": "secrets", "sealed_with": counts, "keys": keys, "writes": keyring.writes if keyring else None}
        typer.echo(json.dumps({**shown, "settled": fine, "exit_code": int(code)}))
    else:
        typer.echo(_as_text(keyring, counts))
    raise typer.Exit(int(code))


def _as_text(keyring: Keyring | None, counts: dict[str, int]) -> str:
    from kprov.cli.tables import table

    if keyring is None:
        return "this cluster has no key yet: `kprov up` makes one, and seals its Secrets"
    names = [key.name for key in keyring.keys]
    rows = [[name, str(counts.get(name, 0)), "writes" if name == keyring.writes else "reads"] for name in names]
    rows += [[name, str(count), "UNKNOWN"] for name, count in counts.items() if name not in (*names, "identity")]
    rows += [["(none)", str(counts["identity"]), "NOT SEALED"]] if counts.get("identity") else []
    lines = [table(["KEY", "SECRETS", "API SERVERS"], rows)]
    if not keyring.is_settled:
        lines.append("a change of keys is under way: `kprov secrets rotate` brings it to its end")
    return "\n".join(lines)


@app.command()
def rotate(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Make a new key, seal every Secret with it, and take the old one away, while the cluster serves.

    API servers are restarted three times, one at a time: first all can read with the new key, then they write with it,
    and the old one goes when nothing is sealed with it any more. Safe to interrupt: the same command goes on.
    """
    from kprov.cli.exit_codes import of_outcome
    from kprov.cli.inventory_source import open_inventory
    from kprov.cli.run_limits import read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.encryption import ROTATE, count_sealed
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.pace import run_phases
    from kprov.provision.cluster.procedure import Options

    loaded = open_inventory(inventory, extra_vars)
    options = Options(
        accept_new_host_keys=accept_new_host_keys,
        timeouts=read_timeouts(loaded, timeout),
        command_line="kprov secrets rotate",
    )
    concerned = [host for host in loaded.hosts.values() if {"etcd", "control_plane"} & set(host.groups)]
    with open_run_output() as shown:
        with operation(loaded, shown.reporter, options, concerned) as context:
            context.engine.validate_roles(["kube-apiserver"])
            times = run_phases(context, ROTATE)
            counts = count_sealed(context.engine, loaded.group("etcd"))
            engine = context.engine
        code = of_outcome(engine.outcome())
        text = ", ".join(f"{count} Secrets are sealed with {name}" for name, count in counts.items())
        shown.reporter.event("rotated", text or "there are no Secrets", sealed_with=counts)
        shown.finish(times, code, None)
    raise typer.Exit(int(code))
