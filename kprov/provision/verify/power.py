"""Takes a control-plane machine away, and gives it back: by its power switch, or by stopping its services."""

from __future__ import annotations

import shlex
from typing import Protocol

from kprov.provision import programs
from kprov.provision.engine import Engine
from kprov.provision.inventory import Host
from kprov.provision.inventory.timeouts import Timeouts
from kprov.provision.verify.machines import units_of
from kprov.provision.verify.power_keeper import PowerKeeper
from kprov.provision.verify.report import CheckFailed

_MOST_PRINTED = 16 * 1024 * 1024


class Harm(Protocol):
    """A way to take a machine away."""

    description: str

    def do(self) -> None:
        """Take it away."""

    def undo(self) -> None:
        """Give it back. Called more than once, it does no more."""


def _run(command: str, timeouts: Timeouts) -> None:
    try:
        done = programs.run(shlex.split(command), seconds=timeouts.power, most=_MOST_PRINTED)
    except programs.TookTooLong:
        raise CheckFailed(f"{command!r} did not end {timeouts.expired('power')}") from None
    except programs.PrintedTooMuch:
        raise CheckFailed(f"{command!r} printed more than {_MOST_PRINTED >> 20} MiB and was killed") from None
    except OSError as error:
        raise CheckFailed(f"{command!r} can't be run: {error.strerror}") from None
    if done.code:
        raise CheckFailed(f"{command!r} failed ({done.code}): {done.last_words[-300:]}")


class PowerCut:
    """The machine's own power switch: kprov_power_off_command and kprov_power_on_command of the inventory.

    Before the harm, a process beside kprov is made ready: it switches the machine on even when kprov is killed.
    """

    def __init__(self, engine: Engine, host: Host) -> None:
        assert host.power_off_command and host.power_on_command
        self._engine, self._host = engine, host
        self._off, self._on = host.power_off_command, host.power_on_command
        self._keeper: PowerKeeper | None = None
        self.description = f"power cut of {host.name}"

    def do(self) -> None:
        """Cut the power."""
        timeouts = self._engine.timeouts
        self._keeper = PowerKeeper(shlex.split(self._on), 2 * timeouts.power + timeouts.workload + timeouts.heal)
        self._engine.disconnect([self._host])
        _run(self._off, timeouts)

    def undo(self) -> None:
        """Switch it on."""
        if self._keeper is None:
            return
        _run(self._on, self._engine.timeouts)
        self._keeper.dismiss()
        self._keeper = None


class StoppedServices:
    """All of kprov's units on the machine, killed and kept down.

    Before the harm, a timer on the machine itself is armed: it starts the units again even when the controller never
    comes back.
    """

    def __init__(self, engine: Engine, host: Host) -> None:
        self._engine, self._host = engine, host
        self._units = " ".join(f"{unit}.service" for unit in reversed(units_of(host)))
        self.description = f"stop of all services of {host.name}"

    def _shell(self, line: str) -> None:
        done = self._engine.shell(self._host.name, line)
        if done.rc:
            raise CheckFailed(f"{self._host.name}: {line}: {done.stderr.strip()[-300:]}")

    def do(self) -> None:
        """Arm the way back, then kill the units."""
        timeouts = self._engine.timeouts
        longest = round(timeouts.workload + timeouts.heal)
        self._shell(
            f"systemd-run --quiet --collect --unit=kprov-verify-undo --on-active={longest} "
            f"systemctl start {self._units}"
        )
        self._shell(f"systemctl kill --signal=SIGKILL {self._units}; systemctl stop {self._units}")

    def undo(self) -> None:
        """Start the units, and take the timer away."""
        self._shell(f"systemctl start {self._units}; systemctl stop kprov-verify-undo.timer 2>/dev/null || true")


def harm_of(engine: Engine, host: Host) -> Harm:
    """How a machine may be taken away: by its power switch if it has one, by its services if not."""
    if host.power_off_command and host.power_on_command:
        return PowerCut(engine, host)
    return StoppedServices(engine, host)
