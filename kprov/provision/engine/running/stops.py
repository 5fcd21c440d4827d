"""Why a host leaves its tasks before their end."""

from __future__ import annotations

from kprov.provision.engine.result import Result


class Stopped(Exception):
    """The host stops here.

    Args:
        result: what stopped it.
    """

    def __init__(self, result: Result) -> None:
        super().__init__(result.message)
        self.result = result


class EndHost(Exception):
    """The host is done early (meta: end_host)."""
