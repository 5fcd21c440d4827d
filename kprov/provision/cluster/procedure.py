"""Runs a procedure over an inventory: validate, connect, preflight, phases. The frame of `kprov up` and `plan`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from kprov.provision.bundle import Bundle
from kprov.provision.cluster.context import Context, server_for_people
from kprov.provision.cluster.phase import Phase, PhaseTime, run_phases
from kprov.provision.cluster.preflight import Finding, preflight
from kprov.provision.cluster.sources import roles_folder, templates_folder
from kprov.provision.engine import Engine
from kprov.provision.engine.reporter import Reporter
from kprov.provision.inventory import Host, Inventory
from kprov.provision.pki.authority import open_authorities
from kprov.provision.pki.kubeconfig import write_admin_kubeconfig


class PreflightError(Exception):
    """Machines are not fit for a cluster; ``problems`` lists everything that is wrong. Nothing was changed."""

    noun = "obstacle"

    def __init__(self, problems: Sequence[Finding]) -> None:
        super().__init__(f"{len(problems)} things are wrong with the machines")
        self.problems = list(problems)


class UnreachableError(Exception):
    """Machines do not answer; ``problems`` says for each why, and what to do. Nothing was changed."""

    noun = "unreachable machine"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"{len(problems)} machines can't be used")
        self.problems = list(problems)


class LockedError(UnreachableError):
    """Another run holds a machine; ``problems`` says who, and since when. Nothing was changed."""

    noun = "locked machine"


@dataclass(slots=True)
class Options:
    """How a procedure is run. ``only_answering`` goes on with the machines that answer when some do not."""

    check: bool = False
    diff: bool = False
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    forks: int = 32
    accept_new_host_keys: bool = False
    only_answering: bool = False
    passphrase: str | None = field(default=None, repr=False)
    command_line: str = "kprov"


@contextmanager
def engine_for(inventory: Inventory, reporter: Reporter, options: Options) -> Iterator[Engine]:
    """An engine for the inventory, its connections closed at the end."""
    with Engine(
        inventory,
        reporter=reporter,
        check=options.check,
        diff=options.diff,
        tags=options.tags,
        skip_tags=options.skip_tags,
        forks=options.forks,
        roles_path=roles_folder(),
        templates_path=templates_folder(),
        state_directory=inventory.cluster.state_directory,
        accept_new_host_keys=options.accept_new_host_keys,
        command_line=options.command_line,
    ) as engine:
        yield engine


def connect(engine: Engine, hosts: Sequence[Host], *, only_answering: bool) -> list[Host]:
    """Connect to all machines at once.

    Returns: those that answered.

    Raises:
        LockedError: another run holds one of them.
        UnreachableError: one of them can't be used, and all are wanted.
    """
    states = engine.connect(hosts)
    locked = [f"{name}: {state.reason}" for name, state in states.items() if state.state == "locked"]
    if locked:
        raise LockedError(locked)
    lost = [f"{name}: {state.reason}" for name, state in states.items() if state.state != "connected"]
    alive: list[Host] = engine.alive(hosts)
    if lost and (not only_answering or not alive):
        raise UnreachableError(lost)
    return alive


@contextmanager
def _state_folder(folder: Path, *, check: bool) -> Iterator[Path]:
    """The controller's folder of keys; a plan for a cluster that was never raised gets one that goes away again."""
    if check and not (folder / "pki").exists():
        with TemporaryDirectory(prefix="kprov-plan-") as temporary:
            yield Path(temporary)
    else:
        yield folder


def run_procedure(
    inventory: Inventory, phases: Sequence[Phase], bundle: Bundle, reporter: Reporter, options: Options
) -> tuple[Engine, list[PhaseTime]]:
    """Check everything, then run the phases.

    Returns: the engine (closed: for its summary and outcome), and the time of each phase.

    Raises:
        RoleErrors, UnreachableError, LockedError, PreflightError: before anything was changed.
        ClusterError: a phase can't go on.
    """
    with engine_for(inventory, reporter, options) as engine:
        engine.validate_roles([phase.role for phase in phases if phase.role])
        hosts = list(inventory.hosts.values())
        started = time.monotonic()
        alive = connect(engine, hosts, only_answering=options.only_answering)
        times = [PhaseTime("Connect", time.monotonic() - started)]
        if findings := preflight(inventory, alive, engine.facts):
            raise PreflightError(findings)
        cluster = inventory.cluster
        with _state_folder(cluster.state_directory, check=options.check) as folder:
            authorities = open_authorities(
                folder, lifetime_days=cluster.ca_lifetime_days, passphrase=options.passphrase
            )
            context = Context(engine, inventory, bundle, authorities, kubeconfig=folder / "admin.kubeconfig")
            write_admin_kubeconfig(
                context.kubeconfig,
                cluster_name=cluster.cluster_name,
                server=server_for_people(inventory),
                authority=authorities.cluster,
                cluster=cluster,
            )
            times += run_phases(context, phases)
    return engine, times


def kubeconfig_path(inventory: Inventory) -> Path:
    """The administrator's kubeconfig on the controller."""
    return inventory.cluster.state_directory / "admin.kubeconfig"
