"""Roles and modules on machines: plan and run, with journal, lock and handlers."""

from kprov.provision.engine.documents import Problem, RoleErrors
from kprov.provision.engine.engine import CommandResult, Engine
from kprov.provision.engine.errors import EngineError
from kprov.provision.engine.result import HostState, HostSummary, PhaseResult, Result, Status, TaskFailed

__all__ = [
    "CommandResult",
    "Engine",
    "EngineError",
    "HostState",
    "HostSummary",
    "PhaseResult",
    "Problem",
    "Result",
    "RoleErrors",
    "Status",
    "TaskFailed",
]
