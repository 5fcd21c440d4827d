"""What the runners of a run, of a phase and of one host share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kprov.provision.engine.account import Account
from kprov.provision.engine.pending_handlers import PendingHandlers
from kprov.provision.engine.roles import Roles
from kprov.provision.engine.running.pace import Pace
from kprov.provision.engine.running.place import Place
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.variables import Variables
from kprov.provision.inventory.timeouts import Timeouts
from kprov.provision.transport.link import AgentLink


@dataclass
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
    delegate: Callable[[str], tuple[HostSession, AgentLink, threading.Lock]]
    """A host that a task is delegated to: its session, a connection of its own, and what makes tasks take turns on it.
    Raises Unreachable."""
    renew: Callable[[HostSession, float], None]
    """Connects to a host anew, within so many seconds. Raises Unreachable."""
    leave: Callable[[HostSession], None]
    """Ends a host's connection."""
    add_host: Callable[[str, list[str], Mapping[str, Any]], bool]
    """Takes a host into the inventory; says whether anything is new. Raises ValueError."""
    shared_names: frozenset[str] = frozenset()
    """Variables that tasks set while they run: who reads them of another host waits until it has got there."""
    become_by_keyword: bool = False
    """Tasks run as the connection's user unless `become` says otherwise (plays); else as root."""


@dataclass
class Once:
    """A run_once task's result, for all hosts of the phase."""

    done: bool = False
    status: str = ""
    result: Any = None
    facts: dict[str, Any] = field(default_factory=dict)
    failed: str = ""
    ended: bool = False
    """It ended the play."""
    event: threading.Event = field(default_factory=threading.Event)


@dataclass
class PhaseContext:
    """What all hosts of a phase share."""

    variables: Mapping[str, Any]
    hosts: list[str]
    tags: frozenset[str] = frozenset()
    """What all of its tasks are tagged with, besides their own tags."""
    frame: Task | None = None
    """What the play says for all its tasks."""
    magic: Mapping[str, Any] = field(default_factory=dict)
    exposed_defaults: Mapping[str, Any] = field(default_factory=dict)
    exposed_variables: Mapping[str, Any] = field(default_factory=dict)
    handlers: tuple[Place, ...] = ()
    """The roles, and the play, whose handlers tasks may notify, in the order in which they run."""
    force_handlers: bool = False
    pace: Pace | None = None
    """How far the hosts are; None: no host ever waits for another."""
    lockstep: bool = False
    """No host begins a task before all have ended the one before it."""
    any_errors_fatal: bool = False
    """Any task's failure stops all hosts."""
    makes_groups: bool = False
    """Some task puts hosts in groups: who reads groups waits for those behind."""
    once: dict[tuple[Any, ...], Once] = field(default_factory=dict)
    throttles: dict[tuple[str, int], threading.BoundedSemaphore] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def throttle(self, task: Task, limit: int) -> threading.BoundedSemaphore:
        """What lets only so many hosts do a task at once."""
        with self.lock:
            return self.throttles.setdefault((task.file, task.line), threading.BoundedSemaphore(limit))
