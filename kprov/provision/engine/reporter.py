"""Who is told what happens, while it happens."""

from __future__ import annotations

from typing import Protocol

from kprov.provision.engine.result import HostSummary, PhaseResult, Status


class Reporter(Protocol):
    """Told of everything, from worker threads but one at a time, with secrets masked. Must not block."""

    def run_started(self, run_id: str, hosts: list[str], check: bool) -> None:
        """A run begins."""

    def host_state(self, host: str, state: str, reason: str) -> None:
        """A host was connected, is locked, or cannot be reached."""

    def phase_started(self, title: str, hosts: list[str]) -> None:
        """A phase begins on these hosts."""

    def task_started(self, host: str, role: str, task: str) -> None:
        """A task was sent."""

    def task_result(
        self, host: str, role: str, task: str, status: Status, diff: str, message: str, duration: float
    ) -> None:
        """A task ended."""

    def phase_finished(self, result: PhaseResult) -> None:
        """A phase ended."""

    def warning(self, message: str) -> None:
        """Something that a person should know."""

    def waiting(self, message: str) -> None:
        """What is being waited for, and for how long; again every few seconds."""

    def run_finished(self, summary: dict[str, HostSummary]) -> None:
        """The run ended."""


class SilentReporter:
    """Tells nobody."""

    def run_started(self, run_id: str, hosts: list[str], check: bool) -> None:
        """Nothing."""

    def host_state(self, host: str, state: str, reason: str) -> None:
        """Nothing."""

    def phase_started(self, title: str, hosts: list[str]) -> None:
        """Nothing."""

    def task_started(self, host: str, role: str, task: str) -> None:
        """Nothing."""

    def task_result(
        self, host: str, role: str, task: str, status: Status, diff: str, message: str, duration: float
    ) -> None:
        """Nothing."""

    def phase_finished(self, result: PhaseResult) -> None:
        """Nothing."""

    def warning(self, message: str) -> None:
        """Nothing."""

    def waiting(self, message: str) -> None:
        """Nothing."""

    def run_finished(self, summary: dict[str, HostSummary]) -> None:
        """Nothing."""
