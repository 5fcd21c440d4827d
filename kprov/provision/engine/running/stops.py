"""Why a host leaves its tasks before their end."""

from __future__ import annotations

from kprov.provision.engine.result import Result
from kprov.provision.engine.tasks import Task


class Stopped(Exception):
    """The host stops here, or goes on with the `rescue` of the block that it is in.

    Args:
        result: what stopped it.
        task: which task.
    """

    def __init__(self, result: Result, task: Task | None = None) -> None:
        super().__init__(result.message)
        self.result = result
        self.task = task
        self.announced = False
        """The other hosts of its play have been told, as it stops them, too."""


class EndHost(Exception):
    """The host is done early (meta: end_host)."""


class EndRole(Exception):
    """The host is done with this role (meta: end_role)."""
