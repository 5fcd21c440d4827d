"""Carries out one harm of a drill: it is prepared, done, undone, and the clients tell what they noticed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from kprov.provision.inventory import Host
from kprov.provision.verify.drills.drill import Bounds, Drill
from kprov.provision.verify.drills.elections import terms
from kprov.provision.verify.drills.harms import Harm, harms_of
from kprov.provision.verify.drills.observers import Observers
from kprov.provision.verify.drills.places import Place
from kprov.provision.verify.drills.recovery import Recovery, boot_of, invocations, not_back
from kprov.provision.verify.drills.service_caller import ServiceCaller
from kprov.provision.verify.drills.stage import Stage
from kprov.provision.verify.report import CheckFailed, CheckResult
from kprov.provision.verify.session import Session

_OF_BOUND = {name: f"{name}_seconds" for name in Bounds.names()}
_WORDS = {
    "write_gap": "no write was acknowledged for",
    "read_gap": "no read was answered for",
    "service_gap": "calls of the Service went unanswered over",
    "heal": "it was well again only after",
}


def _variables(session: Session, host: Host, stage: Stage, unit: str) -> dict[str, str]:
    """What scripts of a drill know."""
    others = [each for each in session.inventory.hosts.values() if each.name != host.name]
    return {
        "ADDRESS": host.node_address,
        "PEERS": ",".join(each.node_address for each in others),
        "UNIT": unit,
        "NAMESPACE": stage.namespace,
        "API_PORT": str(session.inventory.cluster.api_server_port),
    }


def _caller(session: Session, drill: Drill, place: Place, stage: Stage) -> ServiceCaller | None:
    others = [host for host in session.engine.alive(session.inventory.hosts.values()) if host not in place.hosts]
    if not others:
        return None
    lifetime = drill.deadline + 2 * session.engine.timeouts.heal
    return ServiceCaller(session.engine, others[0].name, stage.url, lifetime=lifetime)


def _undo(harms: Sequence[Harm]) -> None:
    """All of them, also when one does not work."""
    with ThreadPoolExecutor(max_workers=len(harms)) as pool:
        ends = [pool.submit(harm.undo) for harm in harms]
    wrong = [str(error) for end in ends if (error := end.exception()) is not None]
    if wrong:
        raise CheckFailed("not undone: " + "; ".join(wrong))


def _do(harms: Sequence[Harm]) -> None:
    with ThreadPoolExecutor(max_workers=len(harms)) as pool:
        list(pool.map(lambda harm: harm.do(), harms))


def rehearse(session: Session, drill: Drill, place: Place, unit: str, stage: Stage, result: CheckResult) -> None:
    """Do it, undo it, and judge.

    Args: ``result`` is given the figures, also when something does not hold.

    Raises:
        CheckFailed: with everything that did not hold.
    """
    load = session.engine.shell(place.hosts[0].name, "cut -d' ' -f1 /proc/loadavg").stdout.strip()
    runs = {}
    if unit and not drill.undo and not drill.power_cut:
        runs = {unit: invocations(session, place.hosts[0], unit)}
    before = terms(session)
    variables = {host.name: _variables(session, host, stage, unit) for host in place.hosts}
    harms = harms_of(session.engine, drill, place.hosts, variables)
    recovery = Recovery(session, place, stage.namespace, runs)
    boots = {host.name: boot_of(session, host) for host in place.hosts} if drill.disconnects else {}
    name = f"drill-{stage.next_number()}"
    with Observers(session, stage.namespace, name, _caller(session, drill, place, stage)) as observers:
        began = time.monotonic()
        session.wait(lambda: observers.unserved(began), "service")
        try:
            _do(harms)
            ended = time.monotonic()
            time.sleep(drill.hold)  # how long it lasts is the drill
        finally:
            if drill.undo or drill.power_cut:
                _undo(harms)
                ended = time.monotonic()
        if boots:
            away = session.wait(lambda: not_back(session, place, boots), "power")
            result.figures["away_seconds"] = round(away + drill.hold, 2)
            ended = time.monotonic()  # a machine that starts is still the harm
        session.wait(recovery.missing, "heal")
        result.figures["heal_seconds"] = round(time.monotonic() - ended, 2)
        well = time.monotonic()
        session.wait(lambda: observers.unserved(well), "heal")
        seen = observers.end()
    after = terms(session)
    elections = {component: after[component] - before[component] for component in after if component in before}
    result.figures |= {**seen.figures, "elections": elections, "load": float(load or 0)}
    wrong = [
        text
        for text in (
            _told(seen.lost_writes, "an acknowledged write was lost"),
            _told(seen.missed_events, "a watch missed something"),
        )
        if text
    ]
    wrong += beyond(drill.bounds, result.figures)
    if wrong:
        raise CheckFailed("; ".join(wrong))


def _told(what: str, about: str) -> str:
    return f"{about}: {what}" if what else ""


def beyond(bounds: Bounds, figures: Mapping[str, object]) -> list[str]:
    """Which bounds do not hold, in words. What was not measured is not judged."""
    wrong = []
    for name, figure in _OF_BOUND.items():
        limit, measured = getattr(bounds, name), figures.get(figure)
        if limit is not None and isinstance(measured, (int, float)) and measured > limit:
            wrong.append(f"{_WORDS[name]} {measured:.1f} s, at most {limit:g} s are allowed")
    return wrong
