"""CronJobs: a Job at each time that the schedule names."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, tzinfo
from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.errors import ApiError, is_already_exists, is_not_found
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import CRON_JOBS, JOBS
from kprov.kube.controllers.controller import OWNER_INDEX, Context, Controller
from kprov.kube.controllers.cron_schedule import Schedule
from kprov.kube.controllers.job import end_of
from kprov.kube.controllers.ownership import controller_of, controller_reference
from kprov.kube.controllers.pod_control import namespace_is_terminating

Object = dict[str, Any]
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MISSED_LIMIT = 100


def _zone(name: str | None) -> tzinfo:
    if not name:
        return UTC
    from zoneinfo import ZoneInfo  # only for who uses it

    return ZoneInfo(name)


def due(cron_job: Object, now: float) -> tuple[float | None, float | None, int]:
    """(the last time that is due and not done, the next time, how many were missed before the last)."""
    spec, status = cron_job["spec"], cron_job.get("status") or {}
    schedule, zone = Schedule.parse(spec["schedule"]), _zone(spec.get("timeZone"))
    since = clock.parse_time(status.get("lastScheduleTime"))
    if since is None:
        since = clock.parse_time(cron_job["metadata"].get("creationTimestamp")) or now
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, now - deadline)
    last, missed = None, -1
    moment = schedule.after(datetime.fromtimestamp(since, zone))
    while moment is not None and moment.timestamp() <= now:
        last, missed = moment.timestamp(), missed + 1
        if missed > MISSED_LIMIT and schedule.period is None:
            # Far behind: begin anew just before now instead of walking through years of minutes.
            moment = schedule.after(datetime.fromtimestamp(now - 3600, zone))
            while moment is not None and moment.timestamp() <= now:
                last = moment.timestamp()
                moment = schedule.after(moment)
            break
        moment = schedule.after(moment)
    return last, moment.timestamp() if moment is not None else None, max(missed, 0)


class CronJobController(Controller):
    """Starts Jobs when they are due, and keeps the history short."""

    name = "cronjob"
    account = "cronjob-controller"
    component = "cronjob-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.cron_jobs = self.watch_keys(CRON_JOBS)
        self.jobs = self.watch(
            JOBS,
            owned=True,
            on_add=self._job_changed,
            on_update=lambda _, new: self._job_changed(new),
            on_delete=self._job_changed,
        )

    def _job_changed(self, job: Object) -> None:
        reference = controller_of(job)
        if reference is not None and reference["kind"] == CRON_JOBS.kind:
            self.queue.add(f"{job['metadata']['namespace']}/{reference['name']}")

    async def reconcile(self, key: str) -> None:
        """Start what is due, tidy up, report, and come back at the next time."""
        cron_job = self.cron_jobs.get(key)
        if cron_job is None or cron_job["metadata"].get("deletionTimestamp"):
            return
        jobs = self.jobs.by_index(OWNER_INDEX, cron_job["metadata"]["uid"])
        jobs = await self._tidy(cron_job, jobs)
        status = {k: v for k, v in (cron_job.get("status") or {}).items() if k != "active"}
        active = [job for job in jobs if end_of(job) is None]
        for job in jobs:
            ended = (job.get("status") or {}).get("completionTime")
            if end_of(job) == "Complete" and ended and ended > (status.get("lastSuccessfulTime") or ""):
                status["lastSuccessfulTime"] = ended
        now = clock.seconds()
        upcoming = None
        if not cron_job["spec"].get("suspend"):
            try:
                last, upcoming, missed = due(cron_job, now)
            except (ValueError, KeyError, OSError) as error:
                self.recorder.event(cron_job, "Warning", "UnparseableSchedule", f"unparseable schedule: {error}")
                return
            if last is not None:
                if missed > MISSED_LIMIT:
                    message = f"too many missed start times: {missed}"
                    self.recorder.event(cron_job, "Warning", "TooManyMissedTimes", message)
                started = await self._start(cron_job, active, last)
                if started is not None:
                    status["lastScheduleTime"] = clock.format_time(last)
                    active = [*(a for a in active if a["metadata"]["uid"] in started), started[""]]
                    active = [a for a in active if a is not None]
        if active:
            status["active"] = [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "namespace": job["metadata"]["namespace"],
                    "name": job["metadata"]["name"],
                    "uid": job["metadata"]["uid"],
                    "resourceVersion": job["metadata"]["resourceVersion"],
                }
                for job in active
            ]
        if _without_versions(status) != _without_versions(cron_job.get("status") or {}):
            await self.client.update(CRON_JOBS, {**cron_job, "status": status}, subresource="status")
        if upcoming is not None:
            self.queue.add_after(key_of(cron_job), max(upcoming - clock.seconds(), 0.0) + 0.1)

    async def _start(self, cron_job: Object, active: list[Object], when: float) -> dict[str, Any] | None:
        """Start the Job of a time, as the concurrency policy allows.

        Returns None if nothing was started; else the uids of the active jobs that stay, and the new one under "".
        """
        policy = cron_job["spec"].get("concurrencyPolicy", "Allow")
        if policy == "Forbid" and active:
            self.recorder.event(
                cron_job, "Normal", "JobAlreadyActive", "Not starting job because prior execution is running"
            )
            return None
        stays: dict[str, Any] = {job["metadata"]["uid"]: True for job in active}
        if policy == "Replace":
            for job in active:
                await self._delete(cron_job, job)
            stays = {}
        template = copy.deepcopy(cron_job["spec"]["jobTemplate"])
        metadata = template.get("metadata") or {}
        # The name is the time's: two leaders, or a lost answer, can't start it twice.
        name = f"{cron_job['metadata']['name'][:52]}-{int(when) // 60}"
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": name,
                "namespace": cron_job["metadata"]["namespace"],
                "labels": metadata.get("labels") or {},
                "annotations": {**(metadata.get("annotations") or {}), SCHEDULED: clock.format_time(when)},
                "ownerReferences": [controller_reference(cron_job, CRON_JOBS)],
            },
            "spec": template["spec"],
        }
        try:
            made = await self.client.create(JOBS, job, cron_job["metadata"]["namespace"])
        except ApiError as error:
            if is_already_exists(error):
                existing = self.jobs.get(f"{cron_job['metadata']['namespace']}/{name}")
                return {**stays, "": existing if existing is not None and end_of(existing) is None else None}
            if namespace_is_terminating(error):
                return None
            self.recorder.event(cron_job, "Warning", "FailedCreate", f"Error creating job: {error.message}")
            raise
        self.recorder.event(cron_job, "Normal", "SuccessfulCreate", f"Created job {name}")
        return {**stays, "": made}

    async def _tidy(self, cron_job: Object, jobs: list[Object]) -> list[Object]:
        spec = cron_job["spec"]
        limits = {
            "Complete": spec.get("successfulJobsHistoryLimit", 3),
            "Failed": spec.get("failedJobsHistoryLimit", 1),
        }
        gone: set[str] = set()
        for kind, limit in limits.items():
            over = [job for job in jobs if end_of(job) == kind]
            over.sort(key=lambda job: ((job.get("status") or {}).get("startTime") or "", job["metadata"]["name"]))
            for job in over[: max(0, len(over) - limit)]:
                await self._delete(cron_job, job)
                gone.add(job["metadata"]["uid"])
        return [job for job in jobs if job["metadata"]["uid"] not in gone]

    async def _delete(self, cron_job: Object, job: Object) -> None:
        metadata = job["metadata"]
        try:
            await self.client.delete(JOBS, metadata["name"], metadata["namespace"], propagation_policy="Background")
        except ApiError as error:
            if not is_not_found(error):
                raise
        self.recorder.event(cron_job, "Normal", "SuccessfulDelete", f"Deleted job {metadata['name']}")


def _without_versions(status: Object) -> Object:
    """A status to compare: the versions of active jobs move all the time and tell nobody anything."""
    active = [{k: v for k, v in entry.items() if k != "resourceVersion"} for entry in status.get("active") or ()]
    return {**status, "active": active}
