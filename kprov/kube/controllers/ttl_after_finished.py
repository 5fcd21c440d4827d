"""Finished jobs that said how long they want to be kept."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.errors import ApiError, is_not_found
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import JOBS
from kprov.kube.controllers.controller import Context, Controller

Object = dict[str, Any]


def expires_at(job: Object) -> float | None:
    """When a job may go; None if it is not over, or says nothing."""
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is None:
        return None
    for entry in (job.get("status") or {}).get("conditions") or ():
        if entry["type"] in ("Complete", "Failed") and entry["status"] == "True":
            ended = clock.parse_time(entry.get("lastTransitionTime"))
            return None if ended is None else ended + seconds
    return None


class TtlAfterFinished(Controller):
    """Deletes jobs when their time is over."""

    name = "ttl-after-finished"
    account = "ttl-after-finished-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.jobs = self.watch(JOBS, on_add=self._seen, on_update=lambda _, new: self._seen(new))

    def _seen(self, job: Object) -> None:
        if expires_at(job) is not None and not job["metadata"].get("deletionTimestamp"):
            self.queue.add(key_of(job))

    async def reconcile(self, key: str) -> None:
        """Delete the job, or come back."""
        job = self.jobs.get(key)
        when = expires_at(job) if job is not None else None
        if job is None or when is None or job["metadata"].get("deletionTimestamp"):
            return
        left = when - clock.seconds()
        if left > 0:
            self.queue.add_after(key, left)
            return
        metadata = job["metadata"]
        try:
            # With the resourceVersion: the time may have been prolonged meanwhile.
            await self.client.delete(
                JOBS,
                metadata["name"],
                metadata["namespace"],
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
                propagation_policy="Foreground",
            )
        except ApiError as error:
            if not is_not_found(error):
                raise
