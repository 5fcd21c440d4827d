"""Whether a drill may be done here and now."""

from __future__ import annotations

from kprov.provision.verify.drills.drill import Drill
from kprov.provision.verify.drills.places import Place
from kprov.provision.verify.machines import units_of
from kprov.provision.verify.session import Session


def unfit(session: Session, drill: Drill, place: Place, unit: str) -> str:
    """Why the cluster could not take the loss, or the machines can't be harmed this way; "" when they can.

    Whether everything is well is not asked here: that may be a matter of waiting.
    """
    too_much = "" if drill.takes_all else _too_much(session, place)
    return too_much or _impossible(session, drill, place, unit)


def _too_much(session: Session, place: Place) -> str:
    lost = {host.name for host in place.hosts}
    members = [host.name for host in session.inventory.group("etcd")]
    gone = len(lost.intersection(members))
    if gone > (len(members) - 1) // 2:
        return f"etcd has {len(members)} members and could not do without {gone}: it takes 3 to lose one"
    for group, what in (("control_plane", "API server"), ("node", "node")):
        names = {host.name for host in session.inventory.group(group)}
        if lost & names and not names - lost:
            return f"no {what} would be left"
    return ""


def _impossible(session: Session, drill: Drill, place: Place, unit: str) -> str:
    for host in place.hosts:
        if drill.power_cut and not (host.power_off_command and host.power_on_command):
            return f"{host.name} has no kprov_power_off_command and kprov_power_on_command in the inventory"
        if unit and unit not in units_of(host):
            return f"{host.name} does not run {unit}"
        for requirement in drill.requires:
            if session.engine.shell(host.name, requirement.command).rc:
                return f"{host.name}: {requirement.because}"
    return ""
