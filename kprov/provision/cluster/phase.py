"""A phase of a procedure: a title, the machines that it touches, and the role or the function that does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kprov.provision.cluster.context import Context
from kprov.provision.inventory import Host


class ClusterError(Exception):
    """A procedure can't go on. The message says what is wrong, where, and what to do; nothing was half-done."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of a procedure.

    ``hosts`` is a pattern of the inventory. Either ``role`` names a folder under roles/, or ``procedure`` is called
    with the context and the machines that still take part. ``serial`` is how many machines a role touches at a time,
    None for all at once. ``essential`` phases end the run when any machine fails in them: what follows would stand on
    nothing.
    """

    title: str
    hosts: str
    role: str = ""
    procedure: Callable[[Context, list[Host]], None] | None = None
    essential: bool = False
    serial: int | None = None


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """How long a phase took, in seconds."""

    title: str
    seconds: float


def run_phases(context: Context, phases: Sequence[Phase]) -> list[PhaseTime]:
    """Run phases in order, each on the machines of its pattern that are connected and have not failed.

    Returns: the time that each took.

    Raises:
        ClusterError: a procedure can't go on, or an essential phase failed on a machine.
    """
    times = []
    engine = context.engine
    for phase in phases:
        hosts = engine.alive(context.inventory.match(phase.hosts))
        if not hosts:
            continue
        started = time.monotonic()
        if phase.role:
            engine.run_role(
                phase.role, hosts, serial=phase.serial, title=phase.title, variables=context.role_variables()
            )
        else:
            assert phase.procedure is not None
            phase.procedure(context, hosts)
        times.append(PhaseTime(phase.title, time.monotonic() - started))
        lost = [host.name for host in hosts if host not in engine.alive(hosts)]
        if phase.essential and lost:
            raise ClusterError(f"{phase.title}: failed on {', '.join(lost)}; the rest would stand on nothing")
    return times
