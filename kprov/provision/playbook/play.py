"""A play, as read from a playbook."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kprov.provision.engine.batches import Serial
from kprov.provision.engine.roles import Role, RoleEntry
from kprov.provision.engine.tasks import Step, Task


@dataclass
class Play:
    """One play. The fields are Ansible's keywords."""

    name: str
    file: str
    line: int
    directory: Path
    """The playbook's folder."""
    role: Role
    """The play itself as a role: its handlers, and where its files are looked for."""
    hosts: str = ""
    frame: Task = field(default_factory=lambda: Task("", "", {}, "", "", 0))
    """What it says for all its tasks."""
    variables: dict[str, Any] = field(default_factory=dict)
    vars_files: tuple[Any, ...] = ()
    roles: tuple[RoleEntry, ...] = ()
    pre_tasks: tuple[Step, ...] = ()
    tasks: tuple[Step, ...] = ()
    post_tasks: tuple[Step, ...] = ()
    serial: Serial = None
    order: str = "inventory"
    max_fail_percentage: float | None = None
    any_errors_fatal: bool = False
    force_handlers: bool = False
    gather_facts: bool = True
    remote_user: str | None = None
    local: bool = False
    """connection: local."""

    @property
    def location(self) -> str:
        """file:line."""
        return f"{self.file}:{self.line}"
