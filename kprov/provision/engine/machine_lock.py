"""The lock on a machine, as the controller asks for it: one run at a time, named to whoever comes second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kprov.provision.engine.holder import held_by, run_of, this_run
from kprov.provision.engine.result import HostState
from kprov.provision.inventory.timeouts import Timeouts
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.link import AgentLink

# Where the lock may as well be that of another name of the same machine, which keeps it.
_LETS_GO = 5.0


class MachineLocks:
    """Takes the locks of a run.

    Args:
        path: the lock's file on machines that have no `kprov_lock_path`.
        run_id: the run that takes them.
        command_line: what runs.
        warn: told when a lock is waited for.
        timeouts: how long it is waited for: until another run lets go of it, or what an interrupted one left ends.
        shared: a machine may stand under several names in the inventory, and the first to come has its lock for all.
    """

    def __init__(
        self,
        path: str,
        run_id: str,
        command_line: str,
        warn: Callable[[str], None],
        timeouts: Timeouts,
        *,
        shared: bool = False,
    ) -> None:
        self._path = path
        self._run_id = run_id
        self._command_line = command_line
        self._warn = warn
        self._timeouts = timeouts
        self._shared = shared
        self._had: set[str] = set()  # the hosts whose locks this run has, or had by a connection before

    def post(self, link: AgentLink) -> int:
        """Ask for a machine's lock, without waiting for the answer."""
        return link.post("lock", path=self._path_on(link), holder=this_run(self._run_id, self._command_line))

    def _path_on(self, link: AgentLink) -> str:
        return link.target.lock_path or self._path

    def taken(self, host: str, link: AgentLink, number: int) -> tuple[HostState | None, bool]:
        """Whether the lock was taken.

        Args:
            host: the machine's name.
            link: its agent.
            number: what `post` returned.

        Returns:
            None, or how it stands with the host that another run has locked; and whether there was a wait.

        Raises:
            Unreachable: the lock cannot be taken by anyone, or is this run's own.
        """
        first = link.wait(number, self._timeouts.facts)["result"]
        answer = self._wait_for_leaver(host, link, first)
        if answer.get("locked"):
            self._had.add(host)
            return None, answer is not first
        if answer.get("failed"):
            raise Unreachable(f"its lock {self._path_on(link)} could not be taken: {answer.get('msg')}")
        other = _holder(answer)
        if other.get("run") == self._run_id and self._is_shared(link):
            return None, answer is not first  # the agent that came first has it for both
        if other.get("run") == self._run_id:
            raise Unreachable(
                "is the same machine as another one of this inventory: correct ansible_host of one of them"
            )
        return HostState("locked", held_by(other)), answer is not first

    def _wait_for_leaver(self, host: str, link: AgentLink, answer: dict[str, Any]) -> dict[str, Any]:
        """A run that was cut off may still let dpkg finish: its lock is waited for, not complained of.

        The agent notices within moments that its controller is gone, so one that does not say so is asked again.
        """
        begun, told = time.monotonic(), False
        while not answer.get("locked") and not answer.get("failed"):
            other = _holder(answer)
            waited = time.monotonic() - begun
            if waited >= self._patience(host, link, other):
                break
            if _is_leaving(other) and not told and waited > 1:
                told = True
                self._warn(f"{host}: waits for what an interrupted run must finish there ({run_of(other)})")
            time.sleep(0.2)
            answer = link.wait(self.post(link), self._timeouts.facts)["result"]
        return answer

    def _patience(self, host: str, link: AgentLink, other: dict[str, Any]) -> float:
        """How long who holds a lock may take to let go."""
        if other.get("run") != self._run_id:
            return self._timeouts.finish if _is_leaving(other) else self._timeouts.lock
        if host not in self._had:
            return 0.0
        return min(_LETS_GO, self._timeouts.lock) if self._is_shared(link) else self._timeouts.lock

    def _is_shared(self, link: AgentLink) -> bool:
        """Whether several names of a machine may have its lock together."""
        return self._shared or link.target.local


def _is_leaving(other: dict[str, Any]) -> bool:
    return bool(other.get("leaving")) or not other


def _holder(answer: dict[str, Any]) -> dict[str, Any]:
    """Who holds a lock, as the machine says it; {} where it says nothing of use."""
    found = answer.get("holder")
    return found if isinstance(found, dict) else {}
