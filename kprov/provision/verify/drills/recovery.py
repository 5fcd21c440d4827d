"""When a cluster is well again after a drill."""

from __future__ import annotations

from collections.abc import Mapping

from kprov.provision.inventory import Host
from kprov.provision.verify.drills.elections import renewals
from kprov.provision.verify.drills.places import Place
from kprov.provision.verify.health import sick
from kprov.provision.verify.machines import units_of
from kprov.provision.verify.session import Session
from kprov.provision.verify.workload import pods_missing


def invocations(session: Session, host: Host, unit: str) -> str:
    """What systemd calls the unit's present run: another one after each start."""
    return session.engine.shell(host.name, f"systemctl show --property=InvocationID --value {unit}").stdout.strip()


def boot_of(session: Session, host: Host) -> str:
    """When the machine's systemd began: another moment after each boot, in a container, too."""
    line = "systemctl show --property=UserspaceTimestampMonotonic --value"
    return session.engine.shell(host.name, line).stdout.strip()


def not_back(session: Session, place: Place, boots: Mapping[str, str]) -> str:
    """Which machine has not booted since ``boots`` were looked up; "" when all have, and answer."""
    for host in place.hosts:
        state = session.engine.state[host.name]
        if state.state != "connected" and session.engine.reconnect(host).state != "connected":
            return f"{host.name}: {session.engine.state[host.name].reason}"
        if boot_of(session, host) in ("", boots[host.name]):
            session.engine.disconnect([host])
            return f"{host.name} has not gone down yet"
    return ""


class Recovery:
    """Looks until everything is well.

    Args:
        place: the machines that were harmed.
        space: the namespace of the web servers.
        restarted: by unit: the run that is over; another one must be there.
    """

    def __init__(self, session: Session, place: Place, space: str, restarted: Mapping[str, str]) -> None:
        self._session, self._place, self._space = session, place, space
        self._restarted = restarted
        self._renewals: dict[str, str] = {}

    def missing(self) -> str:
        """What is not well yet; "" when all is. A leader must have said anew that it leads."""
        return self._machines() or sick(self._session) or self._leaders() or pods_missing(self._session, self._space)

    def _machines(self) -> str:
        engine = self._session.engine
        for host in self._place.hosts:
            if engine.state[host.name].state != "connected" and engine.reconnect(host).state != "connected":
                return f"{host.name}: {engine.state[host.name].reason}"
            units = units_of(host)
            states = engine.shell(host.name, ["systemctl", "is-active", *units]).stdout.split()
            if wrong := [f"{unit} is {state}" for unit, state in zip(units, states, strict=False) if state != "active"]:
                return f"{host.name}: {', '.join(wrong)}"
            for unit, before in self._restarted.items():
                if invocations(self._session, host, unit) == before:
                    return f"{host.name}: {unit} was not started again"
        return ""

    def _leaders(self) -> str:
        now = renewals(self._session)
        if not self._renewals:
            self._renewals = now
        silent = [component for component, at in now.items() if at == self._renewals.get(component)]
        return f"no leader yet: {', '.join(silent)}" if silent else ""
