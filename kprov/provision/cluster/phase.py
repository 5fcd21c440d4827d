"""A phase of a procedure: a title, the machines that it touches, and the role or the function that does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kprov.provision.cluster.context import Context
from kprov.provision.engine.batches import Serial
from kprov.provision.inventory import Host

Procedure = Callable[[Context, list[Host]], None]


class ClusterError(Exception):
    """A procedure can't go on. The message says what is wrong, where, and what to do; nothing was half-done."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of a procedure.

    Attributes:
        title: its name, for people and for ``--start-at-phase``.
        hosts: a pattern of the inventory.
        role: a folder under roles/; or else
        procedure: what is called with the context and the machines that still take part.
        essential: the run ends when any machine fails in it: what follows would stand on nothing.
        serial: how many machines at a time; None: all at once.
        rolling: one at a time where it runs already, so that the others go on meanwhile; where it is new, all at once.
        whole: it looks at all its machines together, so that it is never cut into batches.
        verify: called after each batch with its machines; raises ClusterError when they are not well, and the
            machines after them are left untouched.
        tags: for ``--tags`` and ``--skip-tags``; the name of the role is one by itself.
        leaves: a file that is on a machine which has been through it, where what comes later needs that.
        gives: a variable that it makes for later phases.
        needs: variables that earlier phases give: they are run too when it is run.
    """

    title: str
    hosts: str
    role: str = ""
    procedure: Procedure | None = None
    essential: bool = False
    serial: Serial = None
    rolling: bool = False
    whole: bool = False
    verify: Procedure | None = None
    tags: tuple[str, ...] = ()
    leaves: str = ""
    gives: str = ""
    needs: tuple[str, ...] = ()

    @property
    def all_tags(self) -> frozenset[str]:
        """Its tags, the role's name among them."""
        return frozenset(self.tags) | ({self.role} if self.role else frozenset())


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """How long a phase took, in seconds."""

    title: str
    seconds: float
