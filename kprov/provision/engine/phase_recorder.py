"""A procedure's phase: what it does by modules, and what it says that it did by itself, reported like a role's.

Tasks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kprov.provision.engine.result import HostSummary, PhaseResult, Result, Status

if TYPE_CHECKING:
    from kprov.provision.inventory.model import Host


class PhaseRecorder:
    """Collects a phase's results.

    Args:
        title: the phase's.
        hosts: who takes part.
        report: tells reporter, journal and summary.
    """

    def __init__(self, title: str, hosts: list[str], report: Callable[[str, str, Result], None]) -> None:
        self.result = PhaseResult(title, hosts, {host: HostSummary() for host in hosts})
        self._report = report
        self._begun = time.monotonic()

    def add(self, result: Result) -> None:
        """Count a result."""
        self.result.counts.setdefault(result.host, HostSummary()).count(result.status)
        if result.failed:
            self.result.failed.setdefault(result.host, result)

    def record(
        self,
        host: Host | str,
        title: str,
        *,
        changed: bool = False,
        message: str = "",
        failed: bool = False,
        diff: str = "",
    ) -> None:
        """Say what the procedure did to a host by itself."""
        name = host if isinstance(host, str) else host.name
        status = Status.FAILED if failed else (Status.CHANGED if changed else Status.OK)
        self._report(name, self.result.title, Result(name, title, status, message, diff))

    def finish(self) -> PhaseResult:
        """The phase is over."""
        self.result.duration = round(time.monotonic() - self._begun, 3)
        return self.result
