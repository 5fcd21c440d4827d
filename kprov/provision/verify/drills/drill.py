"""What a drill is: what it breaks, where, how that is undone, and what must hold meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Target:
    """One harm of a drill: the machines (in the words of `places`), and the systemd unit that is meant, if any."""

    where: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A command that must succeed on each machine before the harm, and what it means when it does not."""

    command: str
    because: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """The longest that clients may notice a drill, in seconds; None: it is measured, and nothing is asked of it."""

    write_gap: float | None = 5.0
    """Between two acknowledged writes."""
    read_gap: float | None = 5.0
    """Between two answered reads."""
    service_gap: float | None = 3.0
    """From the first to the last call of the Service, from another machine, that one try did not answer."""
    heal: float | None = 60.0
    """From the end of the harm until everything is well."""

    @classmethod
    def names(cls) -> list[str]:
        """What can be bounded."""
        return [each.name for each in fields(cls)]


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill as its file says it.

    Attributes:
        harm: a shell script that root runs on the machine; "" where the power is cut.
        undo: one that makes it good, however often it is run; "" where the machine heals by itself.
        power_cut: the inventory's power switch is the harm.
        disconnects: the harm ends the connection of the machine, as a reboot does.
        hold: seconds that the harm lasts.
        deadline: seconds after which the machine undoes it by itself, should nobody else have done so.
        takes_all: no part of the cluster is left meanwhile: it need not be able to bear the loss.
    """

    name: str
    title: str
    targets: tuple[Target, ...]
    harm: str = ""
    undo: str = ""
    power_cut: bool = False
    disconnects: bool = False
    takes_all: bool = False
    hold: float = 10.0
    deadline: float = 120.0
    requires: tuple[Requirement, ...] = ()
    bounds: Bounds = field(default_factory=Bounds)
