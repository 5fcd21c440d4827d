"""Runs phases at a pace: in batches, the first of them as a canary, until too many machines have failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.left_out import files_on
from kprov.provision.cluster.phase import ClusterError, Phase, PhaseTime
from kprov.provision.engine.batches import Serial, batches, most_failures
from kprov.provision.inventory import Host

UNREACHABLE = 3
"""The exit code of a run that only machines ended which do not answer any more."""


class RunEnded(ClusterError):
    """The run was ended on purpose, by ``--max-fail`` or at ``--step``; machines that it names are left untouched."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a procedure goes.

    Attributes:
        serial: machines at a time, for phases that do not say it themselves.
        max_fail: how many machines may fail, a number or a percentage; one more ends the run. None: any number, but
            none in a batch that others come after.
        confirm: asked before each phase; False leaves it out. Raises RunEnded to end the run.
    """

    serial: Serial = None
    max_fail: str | None = None
    confirm: Callable[[Phase, Sequence[Host]], bool] | None = None


def run_phases(context: Context, phases: Sequence[Phase], pace: Pace | None = None) -> list[PhaseTime]:
    """Run phases in order, each on the machines of its pattern that are connected and have not failed.

    Returns: the time that each took.

    Raises:
        ClusterError: a procedure can't go on, or an essential phase failed on a machine.
        RunEnded: too many machines failed, or the person who was asked ended it.
    """
    pace = pace or Pace()
    times = []
    # Those that did not answer from the beginning were accepted by the person who began the run.
    everyone = context.engine.alive(context.hosts_of("all"))
    for phase in phases:
        hosts = context.engine.alive(context.hosts_of(phase.hosts))
        if not hosts:
            continue
        if pace.confirm is not None and not pace.confirm(phase, hosts):
            _may_be_left_out(context, phase, hosts)
            continue
        started = time.monotonic()
        _run(context, phase, hosts, pace, everyone)
        times.append(PhaseTime(phase.title, time.monotonic() - started))
    return times


def _run(context: Context, phase: Phase, hosts: list[Host], pace: Pace, everyone: Sequence[Host]) -> None:
    cut = _batches(context, phase, hosts, pace)
    for index, batch in enumerate(cut):
        rest = [host.name for later in cut[index + 1 :] for host in later]
        part = f"{phase.title}, batch {index + 1} of {len(cut)}" if len(cut) > 1 else phase.title
        begun = context.engine.alive(batch)
        if not begun:
            continue
        with context.during(phase.title, begun):
            _do(context, phase, begun, part)
        lost = [host for host in begun if host not in context.engine.alive(begun)]
        _stop_if_too_many(context, part, pace, everyone, rest)
        if lost and phase.essential:
            _stop_if_it_stands_on_nothing(context, part, hosts, lost, rest)
        elif lost and rest and pace.max_fail is None:
            raise _ended(context, f"{part}: {_fared(context, lost)}", lost, rest)
        if phase.verify is not None and not context.engine.check:
            _verify(context, phase, part, rest)


def _may_be_left_out(context: Context, phase: Phase, hosts: Sequence[Host]) -> None:
    if not phase.leaves:
        return
    found = files_on(context, {host.name: [phase.leaves] for host in hosts})
    new = [name for name, files in found.items() if phase.leaves not in files]
    if new and not context.engine.check:
        raise RunEnded(f'"{phase.title}" can\'t be left out: {", ".join(new)} must go through it, and has not yet')


def _batches(context: Context, phase: Phase, hosts: list[Host], pace: Pace) -> list[list[Host]]:
    if phase.whole:
        return [hosts]
    if phase.serial is None and phase.rolling:
        new = [host for host in hosts if not context.engine.facts[host.name].get("kprov_release")]
        return [*([new] if new else []), *([host] for host in hosts if host not in new)]
    return batches(phase.serial or pace.serial, hosts)


def _do(context: Context, phase: Phase, hosts: list[Host], title: str) -> None:
    if phase.role:
        context.engine.run_role(phase.role, hosts, title=title, variables=context.role_variables(), tags=phase.all_tags)
    else:
        assert phase.procedure is not None
        phase.procedure(context, hosts)


def _verify(context: Context, phase: Phase, part: str, rest: list[str]) -> None:
    assert phase.verify is not None
    well = context.engine.alive(context.hosts_of(phase.hosts))
    try:
        phase.verify(context, [host for host in well if host.name not in rest])
    except ClusterError as error:
        untouched = f"\nLeft untouched: {', '.join(rest)}" if rest else ""
        error.args = (f"{part}: {error}{untouched}",)
        raise


def _fared(context: Context, lost: Sequence[Host]) -> str:
    states = {host.name: context.engine.state[host.name].state for host in lost}
    failed = [name for name, state in states.items() if state != "unreachable"]
    gone = [name for name, state in states.items() if state == "unreachable"]
    said = [f"failed on {', '.join(failed)}"] if failed else []
    said += [f"lost {', '.join(gone)}, which {'does' if len(gone) == 1 else 'do'} not answer any more"] if gone else []
    return " and ".join(said)


def _ended(context: Context, what: str, lost: Sequence[Host], rest: Sequence[str]) -> RunEnded:
    error = RunEnded(what + (f"\nLeft untouched: {', '.join(rest)}" if rest else ""))
    _set_code(context, error, lost)
    return error


def _set_code(context: Context, error: ClusterError, lost: Sequence[Host]) -> None:
    if lost and all(context.engine.state[host.name].state == "unreachable" for host in lost):
        error.exit_code = UNREACHABLE


def _stop_if_too_many(context: Context, part: str, pace: Pace, everyone: Sequence[Host], rest: Sequence[str]) -> None:
    most = most_failures(pace.max_fail, len(everyone))
    lost = [host for host in everyone if context.engine.state[host.name].state in ("failed", "unreachable")]
    if most is not None and len(lost) > most:
        raise _ended(
            context,
            f"{part}: {len(lost)} of {len(everyone)} machines have failed, more than --max-fail {pace.max_fail}: "
            f"{_fared(context, lost)}",
            lost,
            rest,
        )


def _stop_if_it_stands_on_nothing(
    context: Context, part: str, hosts: Sequence[Host], lost: Sequence[Host], rest: Sequence[str]
) -> None:
    """A failure in an essential phase ends the run; so do machines that vanish, unless a majority goes on."""
    left = [host for host in hosts if host not in lost and context.engine.state[host.name].state == "connected"]
    vanished = all(context.engine.state[host.name].state == "unreachable" for host in lost)
    if vanished and 2 * len(left) > len(hosts):
        return
    error = ClusterError(
        f"{part}: {_fared(context, lost)}; the rest would stand on nothing"
        + (f"\nLeft untouched: {', '.join(rest)}" if rest else "")
    )
    _set_code(context, error, lost)
    raise error
