"""A play as the engine runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kprov.provision.engine.batches import Serial
from kprov.provision.engine.running.place import Place, Section
from kprov.provision.engine.tasks import Task


@dataclass(frozen=True)
class PlayPlan:
    """Sections of tasks, and what holds for all of them; the fields are PhaseContext's, or Ansible's keywords."""

    title: str
    sections: tuple[Section, ...]
    frame: Task
    handlers: tuple[Place, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    magic: Mapping[str, Any] = field(default_factory=dict)
    exposed_defaults: Mapping[str, Any] = field(default_factory=dict)
    exposed_variables: Mapping[str, Any] = field(default_factory=dict)
    serial: Serial = None
    max_fail_percentage: float | None = None
    any_errors_fatal: bool = False
    in_step: bool = False
    """Hosts wait for each other at each task, because of what some of these say."""
    force_handlers: bool = False
    makes_groups: bool = False
    named: tuple[str, ...] = ()
    """Its hosts as its pattern names them, whatever the order in which they are worked on."""

    @property
    def lockstep(self) -> bool:
        """No host may be ahead of another: a failure must stop all before their next task."""
        return self.in_step or self.any_errors_fatal or self.max_fail_percentage is not None
