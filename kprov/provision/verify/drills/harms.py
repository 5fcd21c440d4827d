"""Does a drill's harm to machines, its undo made sure of before: by the machine's own timer, or beside the switch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Protocol

from kprov.provision.engine import Engine
from kprov.provision.inventory import Host
from kprov.provision.verify.drills.drill import Drill
from kprov.provision.verify.power import PowerCut
from kprov.provision.verify.report import CheckFailed

FOLDER = "/run/kprov-drills"
"""On a machine: the undo of each drill that is under way there."""
_TIMER = "kprov-drill-"


class Harm(Protocol):
    """What is done to one machine."""

    def do(self) -> None:
        """Make sure of the undo, then do it."""

    def undo(self) -> None:
        """Make it good. Called more than once, it does no more."""


def shell(engine: Engine, host: str, script: str, what: str) -> str:
    """Run a script as root on a machine. Returns: what it printed. Raises: CheckFailed saying what did not work."""
    done = engine.shell(host, script)
    if done.rc:
        raise CheckFailed(f"{host}: {what} failed ({done.rc}): {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


class ScriptedHarm:
    """The script of a drill.

    Its undo is written to the machine first, and systemd runs it there when the deadline passes, whatever becomes of
    kprov. The timer lives as long as the machine does: a reboot ends it, and with it all that lives in memory only.
    """

    def __init__(self, engine: Engine, host: Host, drill: Drill, variables: Mapping[str, str]) -> None:
        self._engine, self._host, self._drill = engine, host, drill
        self._variables = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
        self._path = f"{FOLDER}/{drill.name}.sh"

    def _arm(self) -> str:
        if not self._drill.undo:
            return ""
        # One that did not work stays, for the timer or the next kprov.
        away = f"rm -f {self._path}; rmdir {FOLDER} 2>/dev/null; true"
        undo = f"{self._variables}cd /\n(\n{self._drill.undo}\n) || exit 1\n{away}\n"
        return (
            f"set -e; umask 077; mkdir -p {FOLDER}; printf %s {shlex.quote(undo)} > {self._path}\n"
            f"systemctl stop {_TIMER}{self._drill.name}.timer 2>/dev/null || true\n"
            f"systemd-run --quiet --collect --unit={_TIMER}{self._drill.name} "
            f"--on-active={self._drill.deadline:.0f} --timer-property=AccuracySec=100ms /bin/sh {self._path}\nset +e\n"
        )

    def do(self) -> None:
        """Arm the undo, and do the harm, in one go: nothing can come between."""
        script = f"{self._variables}{self._arm()}cd /\n{self._drill.harm}"
        shell(self._engine, self._host.name, script, f"the harm of {self._drill.name}")
        if self._drill.disconnects:
            self._engine.disconnect([self._host])

    def undo(self) -> None:
        """Undo it now, and disarm the timer; over a new connection where the old one did not live through it."""
        if self._drill.disconnects or not self._drill.undo:
            return
        if self._engine.state[self._host.name].state != "connected":
            self._engine.reconnect(self._host)
        script = f"if [ -e {self._path} ]; then /bin/sh {self._path} || exit 1; fi\n{_DISARM.format(self._drill.name)}"
        shell(self._engine, self._host.name, script, f"the undo of {self._drill.name}")


_DISARM = f"systemctl stop {_TIMER}{{}}.timer 2>/dev/null || true"


def harms_of(
    engine: Engine, drill: Drill, hosts: Sequence[Host], variables: Mapping[str, Mapping[str, str]]
) -> list[Harm]:
    """The harm of each machine of a place."""
    if drill.power_cut:
        return [PowerCut(engine, host) for host in hosts]
    return [ScriptedHarm(engine, host, drill, variables[host.name]) for host in hosts]


def undo_leftovers(engine: Engine, hosts: Sequence[Host]) -> list[str]:
    """Undo at once what a kprov that was killed has left behind.

    Returns: the drills whose harm was still there, as ``NAME on MACHINE``.

    Raises:
        CheckFailed: an undo does not work.
    """
    script = (
        f"for undo in {FOLDER}/*.sh; do [ -e $undo ] || continue; /bin/sh $undo >&2 || exit 1; "
        f'name=$(basename $undo .sh); systemctl stop {_TIMER}"$name".timer 2>/dev/null; echo $name; done; exit 0'
    )
    found = []
    for host in hosts:
        names = shell(engine, host.name, script, "the undo of an earlier drill").split()
        found += [f"{name} on {host.name}" for name in names]
    return found
