"""What the runners of a run, of a phase and of one host share."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kprov.provision.engine.account import Account
from kprov.provision.engine.pending_handlers import PendingHandlers
from kprov.provision.engine.roles import Roles
from kprov.provision.engine.variables import Variables
from kprov.provision.inventory.timeouts import Timeouts


@dataclass(frozen=True)
class RunContext:
    """What all hosts of a run share."""

    diff: bool
    tags: frozenset[str]
    skip_tags: frozenset[str]
    roles: Roles
    variables: Variables
    account: Account
    pending_handlers: PendingHandlers
    timeouts: Timeouts


@dataclass
class Once:
    """A run_once task's result, for all hosts of the phase."""

    done: threading.Event = field(default_factory=threading.Event)
    result: dict[str, Any] | None = None
    failed: str = ""


@dataclass
class PhaseContext:
    """What all hosts of a phase share."""

    variables: Mapping[str, Any]
    hosts: list[str]
    tags: frozenset[str] = frozenset()
    """What all of its tasks are tagged with, besides their own tags."""
    once: dict[tuple[str, int], Once] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
