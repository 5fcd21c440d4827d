"""What the checks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kprov.provision.engine import Engine
from kprov.provision.inventory import Host, Inventory
from kprov.provision.kubeapi.client import ClusterApi
from kprov.provision.verify.condition import wait_until
from kprov.provision.verify.report import Report


@dataclass(slots=True)
class Session:
    """A verification: connected machines, the cluster's API, and the report.

    ``api_of(server)`` gives a client of one API server alone. ``tell`` takes a line for the person who waits.
    """

    engine: Engine
    inventory: Inventory
    api: ClusterApi
    api_of: Callable[[str], ClusterApi]
    report: Report
    tell: Callable[[str], None]

    def alive(self, group: str) -> list[Host]:
        """The machines of a group that are connected."""
        return self.engine.alive(self.inventory.group(group))

    def server(self, host: Host) -> str:
        """The base address of a machine's own API server."""
        return f"https://{host.node_address}:{self.inventory.cluster.api_server_port}"

    def wait(self, condition: Callable[[], str], kind: str, *, pause: float = 0.25) -> float:
        """Wait until a condition says that nothing is missing, as long as a kind of timeout allows.

        Returns: how many seconds it took.

        Raises:
            CheckFailed: with what was still missing.
        """
        return wait_until(condition, self.engine.timeouts.of(kind), pause, kind=kind, tell=self.tell)
