"""Jobs: pods that are run until enough of them have succeeded."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import clock
from kprov.kube.api.informer import key_of
from kprov.kube.api.kinds import JOBS
from kprov.kube.controllers import pod_state
from kprov.kube.controllers.pod_control import pod_from_template
from kprov.kube.controllers.pod_owner import BURST, PodOwner

Object = dict[str, Any]

INDEX = "batch.kubernetes.io/job-completion-index"
TRACKING = "batch.kubernetes.io/job-tracking"
FIRST_RETRY = 10.0  # seconds before a failed pod is replaced; doubles to six minutes
LAST_RETRY = 360.0


def end_of(job: Object) -> str | None:
    """Complete or Failed, once the job is over."""
    for kind in ("Complete", "Failed"):
        entry = pod_state.condition(job, kind)
        if entry is not None and entry["status"] == "True":
            return kind
    return None


def index_of(pod: Object) -> int | None:
    """The completion index of an Indexed job's pod."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdigit() else None


def compress(indexes: set[int]) -> str:
    """Indexes as the API writes them: 0-2,5."""
    parts: list[str] = []
    run: list[int] = []
    for index in [*sorted(indexes), None]:
        if run and index is not None and index == run[-1] + 1:
            run.append(index)
            continue
        if run:
            parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}{',' if len(run) == 2 else '-'}{run[-1]}")
        run = [index] if index is not None else []
    return ",".join(parts)


class JobController(PodOwner):
    """Starts a job's pods and decides when it has succeeded or failed."""

    name = "job"
    account = "job-controller"
    component = "job-controller"
    resource = JOBS

    async def reconcile(self, key: str) -> None:
        """Count the pods, decide, start or stop some, report."""
        job = self.owners.get(key)
        if job is None:
            self.expectations.forget(key)
            return
        if end_of(job) is not None or job["metadata"].get("deletionTimestamp"):
            return
        if job["spec"].get("managedBy", "kubernetes.io/job-controller") != "kubernetes.io/job-controller":
            return
        believable = self.expectations.satisfied(key)
        pods = await self.claim(job)
        now = clock.seconds()
        status = self._counted(job, pods, now)
        verdict = self._verdict(job, pods, status, now)
        active = [pod for pod in pods if pod_state.is_active(pod)]
        error: Exception | None = None
        if verdict is not None:
            error = await self._stop(key, job, active)
            status["active"] = 0
            if error is None:
                self._conclude(job, status, *verdict, now)
        elif believable:
            status["active"], error = await self._manage(key, job, pods, active, now)
            status["terminating"] = sum(bool(p["metadata"].get("deletionTimestamp")) for p in pods)
        await self._report(job, status)
        if error is not None:
            raise error
        self._wake_at_deadline(job, status, now)

    def _counted(self, job: Object, pods: list[Object], now: float) -> Object:
        old = job.get("status") or {}
        status: Object = {k: v for k, v in old.items() if k not in ("active", "ready", "terminating")}
        active = [pod for pod in pods if pod_state.is_active(pod)]
        succeeded = [pod for pod in pods if pod_state.phase(pod) == "Succeeded"]
        failed = [pod for pod in pods if pod_state.phase(pod) == "Failed"]
        status["active"] = len(active)
        status["ready"] = sum(map(pod_state.is_ready, active))
        if self._indexed(job):
            done = {index for pod in succeeded if (index := index_of(pod)) is not None}
            done = {index for index in done if index < job["spec"].get("completions", 0)}
            status["completedIndexes"] = compress(done)
            status["succeeded"] = len(done)
        else:
            status["succeeded"] = max(len(succeeded), old.get("succeeded") or 0)
        status["failed"] = max(len(failed), old.get("failed") or 0)
        if not status.get("startTime") and not job["spec"].get("suspend"):
            status["startTime"] = clock.format_time(now)
        return status

    @staticmethod
    def _indexed(job: Object) -> bool:
        return bool(job["spec"].get("completionMode") == "Indexed")

    def _verdict(self, job: Object, pods: list[Object], status: Object, now: float) -> tuple[str, str, str] | None:
        """(condition, reason, message), if the job is over."""
        spec = job["spec"]
        limit = spec.get("backoffLimit", 6)
        failures = status["failed"]
        if (spec["template"].get("spec") or {}).get("restartPolicy") == "OnFailure":
            running = [pod for pod in pods if pod_state.phase(pod) in ("Running", "Pending")]
            failures += sum(
                entry.get("restartCount", 0)
                for pod in running
                for kind in ("initContainerStatuses", "containerStatuses")
                for entry in (pod.get("status") or {}).get(kind) or ()
            )
            # A restarting pod is past the limit when it has used it up; a limit of 0 allows the first run.
            exceeded = failures >= limit if limit else failures > 0
        else:
            exceeded = failures > limit
        if exceeded:
            return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        deadline = spec.get("activeDeadlineSeconds")
        started = clock.parse_time(status.get("startTime"))
        if deadline is not None and started is not None and not spec.get("suspend") and now - started >= deadline:
            return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
        completions = spec.get("completions")
        if completions is None:
            if status["succeeded"] > 0 and status["active"] == 0:
                return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
        elif status["succeeded"] >= completions:
            return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
        return None

    def _conclude(self, job: Object, status: Object, kind: str, reason: str, message: str, now: float) -> None:
        stamp = clock.format_time(now)
        entry = {"type": kind, "status": "True", "lastProbeTime": stamp, "lastTransitionTime": stamp}
        entry |= {"reason": reason, "message": message}
        status["conditions"] = [*(status.get("conditions") or ()), entry]
        if kind == "Complete":
            status["completionTime"] = stamp
            self.recorder.event(job, "Normal", "Completed", "Job completed")
        else:
            self.recorder.event(job, "Warning", reason, message)

    async def _stop(self, key: str, job: Object, pods: list[Object]) -> Exception | None:
        self.expectations.expect(key, deletions={key_of(pod) for pod in pods})
        return await self.delete_pods(key, job, pods)

    async def _manage(
        self, key: str, job: Object, pods: list[Object], active: list[Object], now: float
    ) -> tuple[int, Exception | None]:
        """Bring the number of active pods to what it should be. Returns that number and an error."""
        spec = job["spec"]
        if spec.get("suspend"):
            return 0, await self._stop(key, job, active)
        parallelism = spec.get("parallelism", 1)
        succeeded = sum(pod_state.phase(pod) == "Succeeded" for pod in pods)
        if spec.get("completions") is None:
            wanted = len(active) if succeeded else parallelism
        else:
            if self._indexed(job):
                succeeded = len({index_of(p) for p in pods if pod_state.phase(p) == "Succeeded"})
            wanted = min(parallelism, max(0, spec["completions"] - succeeded))
        wanted = min(wanted, parallelism)
        if len(active) > wanted:
            victims = sorted(active, key=pod_state.deletion_rank)[: len(active) - wanted]
            return wanted, await self._stop(key, job, victims)
        missing = min(wanted - len(active), BURST)
        if missing <= 0:
            return len(active), None
        wait = self._retry_wait(pods, now)
        if wait > 0:
            self.queue.add_after(key, wait)
            return len(active), None
        return await self._start(key, job, pods, active, missing)

    @staticmethod
    def _retry_wait(pods: list[Object], now: float) -> float:
        """How long to wait for a replacement: failures since the last success, counted by their end."""

        def ended(pod: Object) -> float:
            statuses = (pod.get("status") or {}).get("containerStatuses") or ()
            ends = [
                clock.parse_time(((entry.get("state") or {}).get("terminated") or {}).get("finishedAt"))
                for entry in statuses
            ]
            fallback = clock.parse_time(pod["metadata"].get("deletionTimestamp")) or clock.parse_time(
                pod["metadata"].get("creationTimestamp")
            )
            return max([end for end in ends if end is not None], default=fallback or 0.0)

        last_success = max((ended(p) for p in pods if pod_state.phase(p) == "Succeeded"), default=0.0)
        failures = [e for p in pods if pod_state.phase(p) == "Failed" and (e := ended(p)) > last_success]
        if not failures:
            return 0.0
        delay: float = min(FIRST_RETRY * 2.0 ** (len(failures) - 1), LAST_RETRY)
        return max(failures) + delay - now

    async def _start(
        self, key: str, job: Object, pods: list[Object], active: list[Object], missing: int
    ) -> tuple[int, Exception | None]:
        free: list[int] = []
        if self._indexed(job):
            taken = {index_of(p) for p in pods if pod_state.is_active(p) or pod_state.phase(p) == "Succeeded"}
            free = [index for index in range(job["spec"]["completions"]) if index not in taken][:missing]
            missing = len(free)
            free.reverse()
        self.expectations.expect(key, creations=missing)

        async def create() -> None:
            pod = pod_from_template(job["spec"]["template"], job, JOBS)
            if self._indexed(job):
                _give_index(pod, job["metadata"]["name"], free.pop())
            await self.pod_control.create(pod, job)

        done, error = await self.create_pods(key, missing, create)
        return len(active) + done, error

    async def _report(self, job: Object, status: Object) -> None:
        old = job.get("status") or {}
        suspended = pod_state.condition(job, "Suspended")
        if bool(job["spec"].get("suspend")) != bool(suspended and suspended["status"] == "True"):
            self._note_suspension(job, status, clock.seconds())
        slim = {k: v for k, v in status.items() if v or (k == "ready")}
        if {k: v for k, v in old.items() if v or k == "ready"} != slim:
            await self.client.update(JOBS, {**job, "status": slim}, subresource="status")

    @staticmethod
    def _note_suspension(job: Object, status: Object, now: float) -> None:
        on = bool(job["spec"].get("suspend"))
        stamp = clock.format_time(now)
        entry = {
            "type": "Suspended",
            "status": "True" if on else "False",
            "reason": "JobSuspended" if on else "JobResumed",
            "message": "Job suspended" if on else "Job resumed",
            "lastProbeTime": stamp,
            "lastTransitionTime": stamp,
        }
        status["conditions"] = [c for c in status.get("conditions") or () if c["type"] != "Suspended"] + [entry]
        if on:
            status.pop("startTime", None)
        else:
            status["startTime"] = stamp

    def _wake_at_deadline(self, job: Object, status: Object, now: float) -> None:
        deadline, started = job["spec"].get("activeDeadlineSeconds"), clock.parse_time(status.get("startTime"))
        if deadline is not None and started is not None and not job["spec"].get("suspend"):
            self.queue.add_after(key_of(job), max(started + deadline - now, 0.5))


def _give_index(pod: Object, job_name: str, index: int) -> None:
    """Make a pod the one of a completion index: annotation, label, hostname, environment, name."""
    metadata, text = pod["metadata"], str(index)
    metadata["annotations"] = {**(metadata.get("annotations") or {}), INDEX: text}
    metadata["labels"][INDEX] = text
    metadata["generateName"] = f"{job_name[:50]}-{text}-"
    spec = pod["spec"]
    spec.setdefault("hostname", f"{job_name[: 60 - len(text)]}-{text}")
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}},
    }
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [
                c
                if any(e["name"] == variable["name"] for e in c.get("env") or ())
                else {**c, "env": [*(c.get("env") or ()), variable]}
                for c in spec[kind]
            ]
