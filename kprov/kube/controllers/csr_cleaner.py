"""Certificate signing requests that nobody needs any more."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.kinds import CERTIFICATE_SIGNING_REQUESTS as REQUESTS
from kprov.kube.controllers.controller import Context, Controller, every
from kprov.kube.controllers.pod_state import condition

PERIOD = 3600.0
DECIDED_LIFETIME = 3600.0
PENDING_LIFETIME = 86400.0


class CertificateCleaner(Controller):
    """Deletes requests an hour after their decision, and undecided ones after a day."""

    name = "csrcleaner"
    account = "certificate-controller"
    workers = 0

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.requests = self.watch(REQUESTS)

    def loops(self) -> Iterable[Coroutine[Any, Any, None]]:
        """A sweep every hour."""
        return (every(PERIOD, self.sweep, "certificate request cleaner"),)

    async def sweep(self) -> None:
        """One pass."""
        now = clock.seconds()
        for found in self.requests.list():
            decided = any(condition(found, kind) for kind in ("Approved", "Denied", "Failed"))
            since = clock.parse_time(found["metadata"].get("creationTimestamp")) or now
            for entry in (found.get("status") or {}).get("conditions") or ():
                since = max(since, clock.parse_time(entry.get("lastUpdateTime")) or 0.0)
            if now - since > (DECIDED_LIFETIME if decided else PENDING_LIFETIME):
                try:
                    await self.client.delete(REQUESTS, found["metadata"]["name"], uid=found["metadata"]["uid"])
                except ApiError as error:
                    if not is_not_found(error):
                        raise
