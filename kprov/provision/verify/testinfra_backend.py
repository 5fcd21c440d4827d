"""testinfra over the connections that are open already: no second login, no second agent."""

from __future__ import annotations

from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from kprov.provision.engine import Engine


class AgentBackend(BaseBackend):  # type: ignore[misc]
    """Runs testinfra's commands through the agent of a connected machine."""

    NAME = "kprov-agent"

    def __init__(self, engine: Engine, hostname: str, **kwargs: Any) -> None:
        """``hostname`` is the machine's name in the inventory."""
        super().__init__(hostname, **kwargs)
        self._engine = engine

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run a shell command line, its arguments quoted into it as testinfra does."""
        line = self.get_command(command, *args)
        done = self._engine.shell(self.hostname, line)
        return self.result(done.rc, self.encode(line), done.stdout.encode(), done.stderr.encode())


def testinfra_host(engine: Engine, hostname: str) -> TestinfraHost:
    """testinfra's view of a machine that is connected."""
    return TestinfraHost(AgentBackend(engine, hostname))
