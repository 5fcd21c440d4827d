"""exec, attach, port-forward and run: which container is meant, and how its streams are carried."""

from __future__ import annotations

from aiohttp import web

from kprov.kube.kubelet.cri import runtime_pb2 as pb
from kprov.kube.kubelet.cri.client import Runtime, RuntimeFailure
from kprov.kube.kubelet.pods.manager import PodManager
from kprov.kube.kubelet.pods.records import ContainerRecord
from kprov.kube.kubelet.pods.worker import PodWorker
from kprov.kube.kubelet.server.remote_command import (
    RESIZE,
    STDERR,
    STDIN,
    STDOUT,
    TUNNELLED,
    V5,
    remote_command,
    tunnelled_port_forward,
    wants,
)
from kprov.kube.kubelet.server.tunnel import tunnel


def asked(request: web.Request, *names: str) -> bool:
    """Whether one of the query parameters is set."""
    return any(request.query.get(name, "") in ("1", "true") for name in names)


class Streams:
    """The handlers of streaming requests."""

    def __init__(self, pods: PodManager, runtime: Runtime) -> None:
        """Look pods up in ``pods``."""
        self._pods, self._runtime = pods, runtime

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        found: list[web.RouteDef] = []
        for method in ("GET", "POST"):
            for path in ("{namespace}/{pod}/{container}", "{namespace}/{pod}/{uid}/{container}"):
                found.append(web.route(method, f"/exec/{path}", self.execute))
                found.append(web.route(method, f"/attach/{path}", self.attach))
            for path in ("{namespace}/{pod}", "{namespace}/{pod}/{uid}"):
                found.append(web.route(method, f"/portForward/{path}", self.port_forward))
        for path in ("{namespace}/{pod}/{container}", "{namespace}/{pod}/{uid}/{container}"):
            found.append(web.route("POST", f"/run/{path}", self.run))
        return found

    def worker(self, request: web.Request) -> PodWorker:
        """The pod that a request is about; answers 404 where it is not here."""
        where = request.match_info
        found = self._pods.find(where["namespace"], where["pod"], where.get("uid", ""))
        if found is None:
            raise web.HTTPNotFound(text="pod does not exist")
        return found

    async def container(self, request: web.Request) -> tuple[PodWorker, ContainerRecord]:
        """The running container that a request is about; answers 404 where it does not run."""
        worker, name = self.worker(request), request.match_info["container"]
        record = await self._pods.host.reader.read(worker.uid)
        found = record.latest(name)
        if found is None or not found.running:
            raise web.HTTPNotFound(
                text=f"container not found ({name!r})" if found is None else f"container {name} is not running"
            )
        return worker, found

    async def execute(self, request: web.Request) -> web.StreamResponse:
        """Run a command in a container, with its streams."""
        _, record = await self.container(request)
        tty = asked(request, "tty")
        wanted = pb.ExecRequest(
            container_id=record.id,
            cmd=request.query.getall("command", []),
            tty=tty,
            stdin=asked(request, "input", "stdin"),
            stdout=asked(request, "output", "stdout"),
            stderr=asked(request, "error", "stderr") and not tty,
        )
        if not wanted.cmd:
            raise web.HTTPBadRequest(text="missing command")
        if not (wanted.stdin or wanted.stdout or wanted.stderr):
            raise web.HTTPBadRequest(text="you must specify at least 1 of stdin, stdout, stderr")
        return await self._carry(request, await self._url(self._runtime.exec_url(wanted)), wanted)

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Join a container's own streams."""
        worker, record = await self.container(request)
        name = request.match_info["container"]
        spec = worker.pod["spec"]
        everyone = [
            each for key in ("containers", "initContainers", "ephemeralContainers") for each in spec.get(key) or []
        ]
        tty = next((bool(each.get("tty")) for each in everyone if each["name"] == name), False)
        wanted = pb.AttachRequest(
            container_id=record.id,
            tty=tty,
            stdin=asked(request, "input", "stdin"),
            stdout=asked(request, "output", "stdout"),
            stderr=asked(request, "error", "stderr") and not tty,
        )
        if not (wanted.stdin or wanted.stdout or wanted.stderr):
            raise web.HTTPBadRequest(text="you must specify at least 1 of stdin, stdout, stderr")
        return await self._carry(request, await self._url(self._runtime.attach_url(wanted)), wanted)

    async def port_forward(self, request: web.Request) -> web.StreamResponse:
        """Carry connections to a pod's ports."""
        record = await self._pods.host.reader.read(self.worker(request).uid)
        if record.sandbox is None or not record.sandbox.ready:
            raise web.HTTPNotFound(text="the pod does not run")
        ports = [int(port) for text in request.query.getall("port", []) for port in text.split(",") if port.isdigit()]
        url = await self._url(self._runtime.port_forward_url(record.sandbox.id, ports))
        _refuse_plain(request)
        if wants(request, TUNNELLED):
            return await tunnelled_port_forward(request, url)
        return await self._tunnel(request, url)

    async def run(self, request: web.Request) -> web.Response:
        """Run a command and answer with what it said."""
        _, record = await self.container(request)
        command = request.query.get("cmd", "").split()
        try:
            code, out, err = await self._runtime.exec_sync(record.id, command, 60)
        except RuntimeFailure as failure:
            raise web.HTTPInternalServerError(text=failure.message) from None
        return web.Response(body=out + err, status=200 if code == 0 else 500)

    async def _url(self, call: object) -> str:
        try:
            return str(await call)  # type: ignore[misc]
        except RuntimeFailure as failure:
            if failure.not_found:
                raise web.HTTPNotFound(text=failure.message) from None
            raise web.HTTPInternalServerError(text=failure.message) from None

    async def _carry(
        self, request: web.Request, url: str, wanted: pb.ExecRequest | pb.AttachRequest
    ) -> web.StreamResponse:
        _refuse_plain(request)
        if not wants(request, V5):
            return await self._tunnel(request, url)
        channels = {STDIN: wanted.stdin, STDOUT: wanted.stdout, STDERR: wanted.stderr, RESIZE: wanted.tty}
        return await remote_command(request, url, {channel for channel, used in channels.items() if used})

    async def _tunnel(self, request: web.Request, url: str) -> web.StreamResponse:
        try:
            return await tunnel(request, url)
        except OSError as error:
            raise web.HTTPBadGateway(
                text=f"the container runtime's streaming server does not answer: {error}"
            ) from None


def _refuse_plain(request: web.Request) -> None:
    if not request.headers.get("Upgrade"):
        raise web.HTTPBadRequest(text="Upgrade request required")
