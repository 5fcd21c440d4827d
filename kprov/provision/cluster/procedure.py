"""Runs a procedure over an inventory: validate, connect, preflight, phases. The frame of `kprov up` and `plan`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kprov.provision.bundle import Bundle
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.controller_state import KUBECONFIG, controller_state, refuse_other_authorities
from kprov.provision.cluster.drift import note_sources
from kprov.provision.cluster.left_out import refuse_gaps, refuse_new_authorities, refuse_to_join_nothing
from kprov.provision.cluster.pace import Pace, run_phases
from kprov.provision.cluster.phase import Phase, PhaseTime
from kprov.provision.cluster.planned_changes import Guard, Recorder
from kprov.provision.cluster.planning import Planning
from kprov.provision.cluster.preflight import Finding, preflight
from kprov.provision.cluster.selection import Chosen, Selection, choose
from kprov.provision.cluster.sources import roles_folder, templates_folder
from kprov.provision.cluster.surroundings import tell_cluster, tell_machines, tell_releases
from kprov.provision.engine import Engine
from kprov.provision.engine.reporter import Reporter
from kprov.provision.engine.roles import Roles
from kprov.provision.inventory import Host, Inventory
from kprov.provision.inventory.timeouts import Timeouts


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
    """How a procedure is run.

    Attributes:
        only_answering: go on with the machines that answer when some do not.
        limit: the names of the machines that the run is limited to; None: all.
        start_at_phase: the title of the first phase; "": from the beginning.
        pace: in which batches, and when it ends.
        timeouts: how long it waits; None: as the inventory says.
        tell: told what a person should know about the run.
        planning: the plan that is made of it, or that it carries out.
    """

    check: bool = False
    diff: bool = False
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    forks: int = 32
    accept_new_host_keys: bool = False
    only_answering: bool = False
    limit: frozenset[str] | None = None
    start_at_phase: str = ""
    pace: Pace = field(default_factory=Pace)
    timeouts: Timeouts | None = None
    tell: Callable[[str], None] = lambda line: None
    planning: Planning = field(default_factory=Planning)
    passphrase: str | None = field(default=None, repr=False)
    command_line: str = "kprov"

    @property
    def selection(self) -> Selection:
        """Which phases."""
        return Selection(self.start_at_phase, self.tags, self.skip_tags)

    @property
    def is_whole(self) -> bool:
        """Whether all phases are run on all machines."""
        return self.limit is None and self.selection.is_whole


@contextmanager
def engine_for(
    inventory: Inventory, reporter: Reporter, options: Options, *, locked: bool | None = None
) -> Iterator[Engine]:
    """An engine for the inventory, its connections closed at the end.

    Args: ``locked``: hold the locks of the cluster's state and of its machines; None: unless it only compares.
    """
    with Engine(
        inventory,
        reporter=reporter,
        check=options.check,
        diff=options.diff or options.planning.needs_diffs or not options.check,  # the report shows what a run changed
        tags=options.tags,
        skip_tags=options.skip_tags,
        forks=options.forks,
        roles_path=roles_folder(),
        templates_path=templates_folder(),
        state_directory=inventory.cluster.state_directory,
        accept_new_host_keys=options.accept_new_host_keys,
        lock=locked,
        timeouts=options.timeouts,
        command_line=options.command_line,
    ) as engine:
        tell_cluster(engine.journal, inventory)
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
    tell_machines(engine.journal, alive, engine.facts)
    if lost and (not only_answering or not alive):
        raise UnreachableError(lost)
    return alive


def refuse_wrong_selection(phases: Sequence[Phase], options: Options) -> None:
    """A selection that can't be right is refused before anything is waited for: another run may hold the bundle.

    Raises: SelectionError, RoleErrors.
    """
    if not options.selection.is_whole:
        choose(phases, options.selection, Roles(roles_folder(), templates_folder()).tags_of)


def run_procedure(
    inventory: Inventory, phases: Sequence[Phase], bundle: Bundle, reporter: Reporter, options: Options
) -> tuple[Engine, list[PhaseTime]]:
    """Check everything, then run the phases.

    Returns: the engine (closed: for its summary and outcome), and the time of each phase.

    Raises:
        RoleErrors, SelectionError, UnreachableError, LockedError, PreflightError: before anything was changed.
        PlanOutdated: something is not as it was when the plan was made that is to be carried out; nothing was changed.
        ClusterError: a phase can't go on.
    """
    with engine_for(inventory, reporter, options) as engine:
        engine.validate_roles([phase.role for phase in phases if phase.role])
        chosen = choose(phases, options.selection, engine.roles.tags_of)
        _tell_of(chosen, options)
        hosts = [host for host in inventory.hosts.values() if options.limit is None or host.name in options.limit]
        left_out = [host for host in inventory.hosts.values() if host not in hosts]
        refuse_other_authorities(inventory)
        refuse_new_authorities(inventory.cluster.state_directory, left_out)
        options.planning.begin(engine, inventory, bundle)
        note_sources(engine, inventory, bundle, whole=options.is_whole)
        tell_releases(engine.journal, bundle)
        started = time.monotonic()
        alive = connect(engine, hosts, only_answering=options.only_answering)
        times = [PhaseTime("Connect", time.monotonic() - started)]
        absent = [host for host in inventory.hosts.values() if host not in alive]
        if findings := preflight(inventory, alive, engine.facts, engine.remembered_facts(absent)):
            raise PreflightError(findings)
        times += _do(_Work(engine, inventory, bundle, phases, chosen, alive, left_out, options))
    return engine, times


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done, once all machines are known."""

    engine: Engine
    inventory: Inventory
    bundle: Bundle
    phases: Sequence[Phase]
    chosen: Chosen
    alive: Sequence[Host]
    left_out: Sequence[Host]
    options: Options


def _do(work: _Work) -> list[PhaseTime]:
    """Run the phases; those of a plan are rehearsed first, and held against it."""
    engine, planning, options = work.engine, work.options.planning, work.options
    guard, times = None, []
    if planning.carry_out is not None:
        started = time.monotonic()
        rehearsed = Recorder(engine.secrets.mask)
        with engine.rehearsal(rehearsed):
            _run_phases(work, rehearsed, None, check=True)
        planning.compare(engine, rehearsed)
        guard = Guard(engine, planning.carry_out)
        times.append(PhaseTime("Compare with the plan", time.monotonic() - started))
    recorder = Recorder(engine.secrets.mask)
    with engine.observed(recorder):
        times += _run_phases(work, recorder, guard, check=options.check)
    planning.end(engine, work.inventory, recorder)
    return times


def _run_phases(work: _Work, recorder: Recorder, guard: Guard | None, *, check: bool) -> list[PhaseTime]:
    engine, inventory, options = work.engine, work.inventory, work.options
    pace = replace(options.pace, confirm=None) if engine.check and not options.check else options.pace
    with controller_state(inventory, check=check, passphrase=options.passphrase) as state:
        recorder.made_up(state.made_up_texts())
        context = Context(
            engine,
            inventory,
            work.bundle,
            state.authorities,
            kubeconfig=state.kubeconfig,
            limit=options.limit,
            recorder=recorder,
            guard=guard,
        )
        refuse_to_join_nothing(context, work.alive, work.left_out)
        refuse_gaps(context, work.phases, work.chosen)
        return run_phases(context, work.chosen.phases, pace)


def _tell_of(chosen: Chosen, options: Options) -> None:
    for title, other in chosen.pulled_in.items():
        options.tell(f'"{title}" is run too: "{other}" needs it')


def kubeconfig_path(inventory: Inventory) -> Path:
    """The administrator's kubeconfig on the controller."""
    return inventory.cluster.state_directory / KUBECONFIG
