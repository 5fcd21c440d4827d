"""``kprov certs rotate-ca`` and ``rotate-service-account-keys``: new authorities and keys while the cluster serves."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from kprov.cli.invocation import OutputFormat
from kprov.cli.options import (
    DEFAULT_INVENTORY,
    AcceptNewHostKeys,
    Check,
    ExtraVars,
    InventoryPath,
    Output,
    TimeoutOptions,
    Verbose,
)
from kprov.cli.passphrase import passphrase_given

if TYPE_CHECKING:
    from kprov.provision.cluster.procedure import Options
    from kprov.provision.cluster.rotating.authorities import Rotation
    from kprov.provision.cluster.rotating.service_account import ServiceAccountRotation
    from kprov.provision.inventory import Host, Inventory


class Which(StrEnum):
    """Authorities."""

    CLUSTER = "cluster"
    ETCD = "etcd"
    FRONT_PROXY = "front-proxy"
    ALL = "all"


class Until(StrEnum):
    """A step to stop after."""

    TRUST_BOTH = "trust-both"
    REISSUE = "reissue"


def rotate_ca(
    authority: Annotated[Which, typer.Option(help="Which authority is changed for a new one.")] = Which.ALL,
    until: Annotated[
        Until | None, typer.Option(help="Stop when this step is made by all. Default: go on to the end.")
    ] = None,
    self_signed: Annotated[
        bool,
        typer.Option("--self-signed", help="kprov makes the new one, though somebody else has signed the present one."),
    ] = False,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    check: Check = False,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Change authorities for new ones while the cluster serves, in three steps.

    First every machine trusts both, then the new one signs every certificate again, then only the new one is trusted.
    Daemons are restarted in each step, one machine at a time, each well again before the next. Every machine must take
    part. Safe to interrupt: the same command goes on.

    The new one is kprov's own, or the one that `kprov certs import` or the inventory laid ready.
    """
    from kprov.cli.inventory_source import open_inventory
    from kprov.provision.cluster.rotating.authorities import Rotation
    from kprov.provision.pki.authority import AUTHORITIES
    from kprov.provision.pki.rotation import Step

    loaded = open_inventory(inventory, extra_vars)
    names = tuple(AUTHORITIES) if authority is Which.ALL else (str(authority),)
    passphrase = passphrase_given()
    rotation = Rotation(names, passphrase, Step(str(until)) if until else None, own=self_signed)
    options = _options(loaded, "kprov certs rotate-ca", timeout, passphrase, check, accept_new_host_keys)
    _run(loaded, options, rotation, "Rotate authorities", list(loaded.hosts.values()))


def rotate_service_account_keys(
    drop_now: Annotated[
        bool, typer.Option("--drop-now", help="Do not wait until the old key's tokens have been replaced.")
    ] = False,
    inventory: InventoryPath = DEFAULT_INVENTORY,
    check: Check = False,
    timeout: TimeoutOptions = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    extra_vars: ExtraVars = None,
    output: Output = OutputFormat.TEXT,
    verbose: Verbose = 0,
) -> None:
    """Change the key that signs service-account tokens for a new one while the cluster serves.

    The old key is believed for another day, until kubelets have replaced the tokens of all pods; called again after
    that, the command drops it. Safe to interrupt: the same command goes on.
    """
    from kprov.cli.inventory_source import open_inventory
    from kprov.provision.cluster.rotating.service_account import ServiceAccountRotation

    loaded = open_inventory(inventory, extra_vars)
    passphrase = passphrase_given()
    rotation = ServiceAccountRotation(passphrase, drop_now)
    name = "kprov certs rotate-service-account-keys"
    options = _options(loaded, name, timeout, passphrase, check, accept_new_host_keys)
    concerned = [host for host in loaded.hosts.values() if {"etcd", "control_plane"} & set(host.groups)]
    _run(loaded, options, rotation, "Rotate the key of service-account tokens", concerned)


def _options(
    inventory: Inventory,
    command_line: str,
    timeout: list[str] | None,
    passphrase: str | None,
    check: bool,
    accept_new_host_keys: bool,
) -> Options:
    from kprov.cli.run_limits import read_timeouts
    from kprov.provision.cluster.procedure import Options

    return Options(
        check=check,
        accept_new_host_keys=accept_new_host_keys,
        timeouts=read_timeouts(inventory, timeout),
        passphrase=passphrase,
        command_line=command_line,
    )


def _run(
    inventory: Inventory, options: Options, rotation: Rotation | ServiceAccountRotation, title: str, hosts: list[Host]
) -> None:
    from kprov.cli.exit_codes import of_outcome
    from kprov.cli.run_output import open_run_output
    from kprov.provision.cluster.operation import operation
    from kprov.provision.cluster.pace import run_phases
    from kprov.provision.cluster.phase import Phase

    phases = [Phase(title, "all", procedure=rotation.run, essential=True, whole=True)]
    with open_run_output() as shown:
        with operation(inventory, shown.reporter, options, hosts, signs=True) as context:
            context.limit = frozenset(host.name for host in hosts)
            times = run_phases(context, phases)
            engine = context.engine
        code = of_outcome(engine.outcome())
        for line in rotation.told:
            shown.reporter.event("rotation", line)
        shown.finish(times, code, None)
    raise typer.Exit(int(code))
