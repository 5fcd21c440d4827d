"""/containerLogs: what ``kubectl logs`` reads."""

# ruff: noqa: ASYNC240 - small local files, read in no time
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.logs.reader import LogOptions, read_log
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.manager import PodManager
from kprov.kube.kubelet.pods.records import RUNNING, ContainerRecord
from kprov.kube.kubelet.pods.worker import PodWorker


class LogRequests:
    """Serves containers' logs."""

    def __init__(self, pods: PodManager, host: Host) -> None:
        """Look pods up in ``pods``."""
        self._pods, self._host = pods, host

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with a container's log."""
        where = request.match_info
        worker = self._pods.find(where["namespace"], where["pod"])
        if worker is None:
            raise web.HTTPNotFound(text=f'pod "{where["pod"]}" not found\n')
        options = _options(request)
        record = await self._find(worker, where["container"], request.query.get("previous", "") in ("1", "true"))
        if not record.log_path:
            raise web.HTTPInternalServerError(text="the container runtime does not say where the log lies")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        path = Path(record.log_path)
        if not path.exists():
            raise web.HTTPNotFound(text=f'failed to try resolving symlinks in path "{path}": no such file\n')
        await response.prepare(request)
        try:
            await read_log(path, options, response.write, lambda: self._ended(worker, record.id))
            await response.write_eof()
        except (ConnectionError, FileNotFoundError):
            pass  # the reader went away, or the log with its pod
        return response

    async def _find(self, worker: PodWorker, name: str, previous: bool) -> ContainerRecord:
        pod = worker.pod
        spec = pod["spec"]
        everyone = {
            each["name"]
            for key in ("containers", "initContainers", "ephemeralContainers")
            for each in spec.get(key) or []
        }
        label = f'container "{name}" in pod "{pod["metadata"]["name"]}"'
        if name not in everyone:
            raise web.HTTPBadRequest(text=f"container {name} is not valid for pod {pod['metadata']['name']}")
        record = await self._host.reader.read(worker.uid)
        if previous:
            found = record.previous(name)
            if found is None:
                raise web.HTTPBadRequest(text=f"previous terminated {label} not found")
            return found
        current = record.latest(name)
        if current is None or not (current.started_at or current.finished_at):
            older = record.previous(name)
            if older is not None:
                return older
            raise web.HTTPBadRequest(text=f"{label} is waiting to start: {self._reason(worker, name)}")
        return current

    def _reason(self, worker: PodWorker, name: str) -> str:
        if waiting := worker.waiting_for(name):
            words = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
            return words.get(waiting, waiting)
        return "ContainerCreating"

    async def _ended(self, worker: PodWorker, container_id: str) -> bool:
        for each in worker.record.containers:
            if each.id == container_id and each.state == RUNNING and not worker.ended:
                return False
        try:
            return (await self._host.runtime.container_status(container_id)).state != RUNNING
        except RuntimeFailure:
            return True


def _options(request: web.Request) -> LogOptions:
    query = request.query
    options = LogOptions(
        follow=query.get("follow", "") in ("1", "true"), timestamps=query.get("timestamps", "") in ("1", "true")
    )
    try:
        if query.get("tailLines"):
            options.tail = int(query["tailLines"])
        if query.get("limitBytes"):
            options.limit = int(query["limitBytes"])
        if query.get("sinceSeconds"):
            moment = datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
            options.since = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        elif query.get("sinceTime"):
            options.since = datetime.fromisoformat(query["sinceTime"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"bad log option: {error}") from None
    if options.tail is not None and options.tail < 0:
        raise web.HTTPUnprocessableEntity(text="tailLines must not be negative")
    return options
