"""``kprov certs``: every certificate with its days left, their renewal, and the seal on the authorities' keys."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kprov.cli.certificate_requests import import_, request
from kprov.cli.certificate_rotation import rotate_ca, rotate_service_account_keys
from kprov.cli.certificate_timer import app as timer
from kprov.cli.exit_codes import ExitCode
from kprov.cli.invocation import OutputFormat
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    Check,
    ExtraVars,
    Forks,
    InventoryPath,
    Limit,
    Output,
    TimeoutOptions,
    Verbose,
)
from kprov.cli.passphrase import PASSPHRASE, passphrase_given

if TYPE_CHECKING:
    from kprov.provision.inventory import Host, Inventory
    from kprov.provision.pki.expiry import ExpiryRow

app = typer.Typer(help="List, renew and rotate certificates; seal the authorities' keys.", no_args_is_help=True)
app.command("rotate-ca")(rotate_ca)
app.command("request")(request)
app.command("import")(import_)
app.command("rotate-service-account-keys")(rotate_service_account_keys)
app.add_typer(timer, name="timer")

# The variable of the environment that holds the one to come.
NEW_FROM = "KPROV_NEW_PASSPHRASE"


@app.command("list")
def list_certificates(
    inventory: InventoryPath = DEFAULT_INVENTORY,
    limit: Limit = "",
    controller_only: Annotated[
        bool, typer.Option("--controller-only", help="Contact no machine: only what this computer keeps.")
    ] = False,
    within_days: Annotated[
        int | None,
        typer.Option(min=0, help="End with exit code 1 when a certificate ends within so many days, or is missing."),
    ] = None,
    forks: Forks = 32,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """List every certificate of the cluster, those that end first on top. Nothing is changed."""
    from kprov.cli.inventory_source import limit_hosts, open_inventory
    from kprov.provision.pki.expiry import soonest_first

    loaded = open_inventory(inventory, extra_vars)
    hosts = limit_hosts(loaded, limit)
    now = datetime.datetime.now(datetime.UTC)
    rows = _controller_rows(loaded, now)
    if not controller_only:
        from kprov.cli.certificate_reader import read_rows

        rows += read_rows(loaded, hosts, now, forks=forks, accept_new_host_keys=accept_new_host_keys)
    rows = soonest_first(rows)
    code = exit_code_for(rows, within_days)
    if output is OutputFormat.JSON:
        for row in rows:
            typer.echo(json.dumps({"event": "certificate", **row.as_dict()}))
        typer.echo(json.dumps({"event": "summary", "exit_code": int(code), **counts(rows)}))
    else:
        typer.echo(_as_text(rows))
    raise typer.Exit(int(code))


@app.command()
def renew(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="CERTIFICATE", help="Only these, as `kprov certs list` names them.", show_default=False),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every certificate, though it need not be. Default: those near their end.")
    ] = False,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    limit: Limit = "",
    check: Check = False,
    timeout: TimeoutOptions = None,
    forks: Forks = 32,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Make certificates anew while the cluster serves.

    Keys stay on their machines. Only daemons that read what was made anew are restarted: one machine at a time, each
    well again before the next. Safe to interrupt and to repeat.
    """
    from kprov.cli.exit_codes import of_outcome
    from kprov.cli.inventory_source import limit_hosts, open_inventory
    from kprov.cli.run_limits import read_timeouts
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.pace import run_phases
    from kprov.provision.cluster.procedure import Options
    from kprov.provision.cluster.renewing import RENEW

    loaded = open_inventory(inventory, extra_vars)
    hosts = limit_hosts(loaded, limit)
    wanted = _known_names(loaded, names or [], hosts)
    options = Options(
        check=check,
        forks=forks,
        limit=frozenset(host.name for host in hosts) if limit else None,
        accept_new_host_keys=accept_new_host_keys,
        timeouts=read_timeouts(loaded, timeout),
        passphrase=passphrase_given(),
        command_line="kprov certs renew",
    )
    with open_run_output() as shown:
        with operation(loaded, shown.reporter, options, hosts, signs=True) as context:
            context.limit = options.limit
            context.renew = frozenset({"all"}) if every else wanted
            times = run_phases(context, RENEW)
            engine = context.engine
        code = of_outcome(engine.outcome())
        shown.finish(times, code, None)
    raise typer.Exit(int(code))


def _known_names(inventory: Inventory, names: list[str], hosts: list[Host]) -> frozenset[str]:
    from kprov.cli.run_limits import OptionError
    from kprov.provision.inventory.problems import did_you_mean
    from kprov.provision.pki.catalogue import certificates_of

    everyone = list(inventory.hosts.values())
    known = {spec.name for host in hosts for spec in certificates_of(host, inventory.cluster, everyone)}
    for name in names:
        if name not in known:
            raise OptionError(f"these machines have no certificate {name}: {did_you_mean(name, sorted(known))}")
    return frozenset(names)


def exit_code_for(rows: list[ExpiryRow], within_days: int | None) -> ExitCode:
    """What the list means for a script: an alarm only where one was asked for."""
    if any(row.state == "unreachable" for row in rows):
        return ExitCode.UNREACHABLE
    if within_days is not None and any(row.days_left is None or row.days_left <= within_days for row in rows):
        return ExitCode.FAILED
    return ExitCode.OK


def counts(rows: list[ExpiryRow]) -> dict[str, Any]:
    """How many there are in each state, and the days of the one that ends first."""
    states = ("ok", "renew", "expired", "missing", "unreachable")
    days = [row.days_left for row in rows if row.days_left is not None]
    return {
        "certificates": len(rows),
        "states": {state: sum(row.state == state for row in rows) for state in states},
        "first_ends_in_days": min(days, default=None),
    }


def _as_text(rows: list[ExpiryRow]) -> str:
    from kprov.cli.tables import table

    lines = [
        [
            row.host,
            row.name,
            "-" if row.days_left is None else str(row.days_left),
            (row.expires or "-")[:10],
            row.authority,
            row.state if row.reason is None else f"{row.state}: {row.reason}",
        ]
        for row in rows
    ]
    return table(["HOST", "CERTIFICATE", "DAYS LEFT", "EXPIRES", "AUTHORITY", "STATE"], lines)


def _controller_rows(inventory: Inventory, now: datetime.datetime) -> list[ExpiryRow]:
    from kprov.provision.pki.authority import AUTHORITIES, load_certificates
    from kprov.provision.pki.catalogue import admin_certificate
    from kprov.provision.pki.expiry import CONTROLLER, authority_row, row_of
    from kprov.provision.pki.external import is_awaited, is_ready
    from kprov.provision.pki.kubeconfig import read_certificate
    from kprov.provision.pki.rotation import load_rotation

    state = inventory.cluster.state_directory
    authorities = load_certificates(state)
    if not authorities:
        raise NoAuthorities(f"there are no authorities in {state / 'pki'}: `kprov up -i {inventory.path}` makes them")
    under_way = load_rotation(state / "pki")
    rows = [
        authority_row(name, str(state / "pki" / f"{AUTHORITIES[name][1]}.crt"), certificate, now)
        for name, certificate in authorities.items()
    ]
    for index, name in enumerate(authorities):
        if name in under_way:
            about = f"is being changed, step {under_way[name].step}: `kprov certs rotate-ca` goes on"
            rows[index] = replace(rows[index], reason=rows[index].reason or about)
        elif is_awaited(state / "pki", name) or is_ready(state / "pki", name):
            signed = "was signed elsewhere and lies ready: `kprov certs rotate-ca` takes it"
            about = signed if is_ready(state / "pki", name) else "is being signed elsewhere: then `kprov certs import`"
            rows[index] = replace(rows[index], reason=rows[index].reason or f"the next one {about}")
    path = state / "admin.kubeconfig"
    if path.exists():
        spec = admin_certificate(inventory.cluster, path=str(path))
        rows.append(row_of(CONTROLLER, spec, read_certificate(path), authorities.get("cluster"), now))
    return rows


class NoAuthorities(Exception):
    """The cluster was not made from here."""

    exit_code = ExitCode.FAILED


@app.command()
def seal(inventory: InventoryPath = DEFAULT_INVENTORY, extra_vars: ExtraVars = None, verbose: Verbose = 0) -> None:
    """Seal the authorities' keys with a passphrase, or change it.

    Later runs ask for it in KPROV_PASSPHRASE. Lost, it can't be replaced: the cluster could not be managed any more.
    """
    from kprov.cli.inventory_source import open_inventory
    from kprov.provision.pki.sealing import is_sealed, key_files, reseal

    state = open_inventory(inventory, extra_vars).cluster.state_directory
    sealed = any(is_sealed(path) for path in key_files(state))
    old = _passphrase(PASSPHRASE, "The passphrase until now") if sealed else None
    new = _passphrase(NEW_FROM, "The new passphrase", confirm=True)
    for path in reseal(state, old=old, new=new):
        typer.echo(f"sealed {path}")


@app.command()
def unseal(inventory: InventoryPath = DEFAULT_INVENTORY, extra_vars: ExtraVars = None, verbose: Verbose = 0) -> None:
    """Take the seal off the authorities' keys; they stay readable by their owner alone."""
    from kprov.cli.inventory_source import open_inventory
    from kprov.provision.pki.sealing import is_sealed, key_files, reseal

    state = open_inventory(inventory, extra_vars).cluster.state_directory
    if not any(is_sealed(path) for path in key_files(state)):
        typer.echo("the keys are not sealed")
        return
    for path in reseal(state, old=_passphrase(PASSPHRASE, "The passphrase"), new=None):
        typer.echo(f"unsealed {path}")


def _passphrase(variable: str, question: str, *, confirm: bool = False) -> str:
    """From the environment, else asked for. Never from the command line, where ``ps`` shows it."""
    given = os.environ.get(variable)
    if given:
        return given
    return str(typer.prompt(question, hide_input=True, confirmation_prompt=confirm))
