"""Makes a plan out of a run that only compared, and has a later run carry out that plan and nothing else."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kprov.provision.bundle import Bundle
from kprov.provision.cluster.fingerprints import differences, fingerprints
from kprov.provision.cluster.plan_file import PlanFile, PlannedTask
from kprov.provision.cluster.planned_changes import PlanOutdated, Recorder, differences_of_hosts
from kprov.provision.cluster.sources import roles_folder, templates_folder
from kprov.provision.engine import Engine
from kprov.provision.engine.holder import this_user
from kprov.provision.inventory import Inventory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(slots=True)
class Planning:
    """What a run has to do with plans.

    Attributes:
        carry_out: the plan that it is to carry out.
        make: whether a plan is to be made of it.
        options: what the plan is limited to, kept in it.
        made: the plan that was made; None as long as there is none, or where something failed.
        failed: what failed, so that no plan was made.
        done: by machine, what was changed.
    """

    carry_out: PlanFile | None = None
    make: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    made: PlanFile | None = None
    failed: list[str] = field(default_factory=list)
    done: Mapping[str, Sequence[PlannedTask]] = field(default_factory=dict)
    _salt: bytes = b""
    _fingerprints: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def needs_diffs(self) -> bool:
        """Whether diffs are needed, shown or not."""
        return self.make or self.carry_out is not None

    def begin(self, engine: Engine, inventory: Inventory, bundle: Bundle) -> None:
        """Take the fingerprints of what the run depends on, before any machine is contacted.

        Raises:
            PlanOutdated: they are not those of the plan that is to be carried out.
        """
        if not self.make and self.carry_out is None:
            return
        plan = self.carry_out
        self._salt = bytes.fromhex(plan.salt) if plan is not None else secrets.token_bytes(16)
        self._fingerprints = fingerprints(
            inventory, bundle, engine.secrets, self._salt, roles=roles_folder(), templates=templates_folder()
        )
        if plan is None:
            return
        engine.journal.write("carries_out", plan=plan.run, made=plan.created)
        if problems := differences(plan.fingerprints, self._fingerprints):
            raise PlanOutdated(problems)

    def compare(self, engine: Engine, rehearsed: Recorder) -> None:
        """Hold what would be done now against the plan, before anything is changed.

        Raises:
            PlanOutdated: it is not the same.
        """
        assert self.carry_out is not None
        names = [host.name for host in engine.alive()]
        problems = differences_of_hosts(self.carry_out, rehearsed.hosts(engine, names))
        problems += [f"{failure}, which it did not when the plan was made" for failure in rehearsed.failed]
        if problems:
            raise PlanOutdated(problems)

    def end(self, engine: Engine, inventory: Inventory, recorder: Recorder) -> None:
        """The phases are through: keep what they did, or make the plan of what they would do."""
        self.done = recorder.tasks
        self.failed = recorder.failed
        if not self.make or self.failed:
            return
        alive = [host.name for host in engine.alive()]
        self.made = PlanFile(
            run=engine.run_id,
            created=round(time.time(), 3),
            by=this_user(),
            inventory=str(inventory.path),
            salt=self._salt.hex(),
            options=self.options,
            fingerprints=self._fingerprints,
            hosts=recorder.hosts(engine, alive),
            left_out={
                name: engine.state[name].reason or "it was not asked for"
                for name in inventory.hosts
                if name not in alive
            },
        )
