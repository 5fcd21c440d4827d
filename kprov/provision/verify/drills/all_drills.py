"""Drills, one after the other, into a verification's report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from kprov.provision.verify.drills.drill import Drill, Target
from kprov.provision.verify.drills.fitness import unfit
from kprov.provision.verify.drills.harms import undo_leftovers
from kprov.provision.verify.drills.places import PLACES, Place
from kprov.provision.verify.drills.rehearsal import rehearse
from kprov.provision.verify.drills.stage import Stage, set_up
from kprov.provision.verify.health import sick
from kprov.provision.verify.report import CheckFailed
from kprov.provision.verify.session import Session

GROUP = "drill"
"""What drills are called in the report."""


def run_drills(session: Session, drills: Sequence[Drill], *, pass_over: bool) -> None:
    """Run them. What a kprov that was killed has left behind is undone first.

    Args:
        pass_over: tell and go on where a drill does not fit the cluster; otherwise that is a failure.
    """
    with session.report.check(GROUP, "All machines answer, and nothing of an earlier drill is left") as first:
        hosts = list(session.inventory.hosts.values())
        if silent := [host.name for host in hosts if host not in session.engine.alive(hosts)]:
            raise CheckFailed(f"no answer from {', '.join(silent)}: a cluster that lacks machines is not harmed")
        if found := undo_leftovers(session.engine, hosts):
            first.message = f"undone now: {', '.join(found)}"
    if not first.passed:
        return
    with ExitStack() as stack:
        with session.report.check(GROUP, "A web server runs on every node, behind a Service") as ready:
            stage = stack.enter_context(set_up(session))
        if not ready.passed:
            return
        for drill in drills:
            for target in drill.targets:
                _run_target(session, drill, target, stage, pass_over)


def _run_target(session: Session, drill: Drill, target: Target, stage: Stage, pass_over: bool) -> None:
    name = f"{drill.name}/{target.unit}" if target.unit else drill.name
    try:
        places = _places(session, target)
    except CheckFailed as error:
        with session.report.check(GROUP, f"{name}: {target.where}"):
            raise CheckFailed(f"not tried: {error}") from None
        return
    if not places:
        _unfit(session, f"{name}: {target.where}", "the inventory has no such machine", pass_over)
    for place in places:
        if reason := unfit(session, drill, place, target.unit):
            _unfit(session, f"{name} on {place.label}", reason, pass_over)
            continue
        with session.report.check(GROUP, f"{name} on {place.label}") as result:
            result.figures |= {"drill": drill.name, "unit": target.unit, "place": place.label, "title": drill.title}
            try:
                session.wait(lambda: _unanswering(session) or sick(session), "ready")
            except CheckFailed as error:
                raise CheckFailed(f"not tried, since the cluster is not healthy: {error}") from None
            session.tell(f"{name} on {place.label}: {drill.title} ...")
            rehearse(session, drill, place, target.unit, stage, result)


def _places(session: Session, target: Target) -> list[Place]:
    """The machines, once the cluster is well enough to say who leads."""
    found: list[Place] = []

    def missing() -> str:
        try:
            found[:] = PLACES[target.where](session)
        except CheckFailed as error:  # a leader may be elected yet
            return str(error)
        return ""

    session.wait(missing, "ready")
    return found


def _unanswering(session: Session) -> str:
    """The machine that is not connected, and can't be; "" when all are."""
    engine = session.engine
    for host in session.inventory.hosts.values():
        if engine.state[host.name].state != "connected" and engine.reconnect(host).state != "connected":
            return f"{host.name}: {engine.state[host.name].reason}"
    return ""


def _unfit(session: Session, name: str, reason: str, pass_over: bool) -> None:
    if pass_over:
        session.tell(f"{name}: passed over, {reason}")
        return
    with session.report.check(GROUP, name):
        raise CheckFailed(f"not tried: {reason}")
