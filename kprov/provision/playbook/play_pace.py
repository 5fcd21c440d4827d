"""How fast plays go, as the command line says it: in which batches, until how many hosts have failed, asking first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kprov.provision.engine import Engine
from kprov.provision.engine.batches import Serial, most_failures
from kprov.provision.engine.play_plan import PlayPlan


@dataclass(frozen=True)
class PlayPace:
    """The pace of a run.

    Attributes:
        serial: hosts at a time, in plays that do not say it themselves.
        max_fail: how many hosts of the run may fail, a number or a percentage; one more, and no further play begins.
        confirm: asked before each play with its name and hosts; False leaves it out.
    """

    serial: Serial = None
    max_fail: str | None = None
    confirm: Callable[[str, Sequence[str]], bool] | None = None

    def of(self, plan: PlayPlan) -> PlayPlan:
        """A play's plan at this pace."""
        return plan if plan.serial is not None or self.serial is None else replace(plan, serial=self.serial)

    def begins(self, name: str, hosts: Sequence[str]) -> bool:
        """Whether a play is run."""
        return self.confirm is None or self.confirm(name, hosts)

    def over(self, engine: Engine, hosts: Sequence[str]) -> str:
        """Why no further play begins; "" while they may.

        Args:
            engine: knows how it stands with the hosts.
            hosts: those of the run.
        """
        most = most_failures(self.max_fail, len(hosts))
        states = engine.state  # localhost is none where the inventory does not name it
        lost = [name for name in hosts if name in states and states[name].state in ("failed", "unreachable")]
        if most is None or len(lost) <= most:
            return ""
        return f"{len(lost)} of {len(hosts)} hosts have failed, more than --max-fail {self.max_fail}: {', '.join(lost)}"
