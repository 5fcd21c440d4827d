"""The HTTPS server of port 10250."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from kprov.kube.api.cipher_suites import STRONG, openssl_ciphers
from kprov.kube.api.metrics import CONTENT_TYPE, REGISTRY
from kprov.kube.api.server_tls import ServerTLS
from kprov.kube.kubelet import instruments
from kprov.kube.kubelet.cri.client import RuntimeFailure
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.manager import PodManager
from kprov.kube.kubelet.probes.counts import PROBES
from kprov.kube.kubelet.server.access import Access
from kprov.kube.kubelet.server.container_metrics import ContainerMetrics
from kprov.kube.kubelet.server.log_requests import LogRequests
from kprov.kube.kubelet.server.streams import Streams
from kprov.kube.kubelet.server.usage import Usage
from kprov.kube.kubelet.server.volume_metrics import VolumeMetrics

log = logging.getLogger(__name__)

_STREAMS = frozenset({"exec", "attach", "portForward", "run"})


class NodeServer:
    """Serves the node's API once it has a certificate."""

    def __init__(self, host: Host, pods: PodManager, access: Access, healthy: Callable[[], str]) -> None:
        """``healthy`` is empty or says what is wrong."""
        self._host, self._pods, self._access, self._healthy = host, pods, access, healthy
        self._usage, self._containers, self._volumes = Usage(host), ContainerMetrics(host, pods), VolumeMetrics(host)
        self._tls: ServerTLS | None = None
        self._following: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None

    async def certificate(self, certificate: Path, key: Path) -> None:
        """Serve with this certificate: starts the server, or changes the certificate of new connections.

        What the files hold, and whom to believe, is followed from then on.

        Raises OSError and ssl.SSLError where the files cannot be used or the port cannot be had.
        """
        if self._tls is not None:
            self._tls.use(str(certificate), str(key))
            log.info("serving with the new certificate")
            return
        config, clients = self._host.config, self._access.clients
        if clients is not None:
            clients.read()
        tls = ServerTLS(
            str(certificate),
            str(key),
            [clients.path] if clients is not None else (),
            "VersionTLS13" if config.tls_min_version == "VersionTLS13" else "",
            openssl_ciphers(config.tls_cipher_suites) if config.tls_cipher_suites else STRONG,
            clients.read if clients is not None else None,
        )
        self._tls = tls
        self._runner = web.AppRunner(
            self._application(), handler_cancellation=True, access_log=None, keepalive_timeout=90, shutdown_timeout=1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, config.address, config.port, ssl_context=tls.context, reuse_address=True)
        await site.start()
        self._following = asyncio.create_task(tls.follow())
        log.info("serving on %s:%s", config.address, config.port)

    async def stop(self) -> None:
        """Stop serving."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        if self._runner is not None:
            await self._runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=1 << 20)
        logs = LogRequests(self._pods, self._host)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/healthz/{check}", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/metrics/cadvisor", self._container_metrics)
        app.router.add_get("/metrics/probes", self._probe_metrics)
        app.router.add_get("/metrics/resource", self._resource_metrics)
        app.router.add_get("/stats/summary", self._summary)
        app.router.add_get("/pods", self._list_pods)
        app.router.add_get("/runningpods/", self._list_pods)
        app.router.add_get("/configz", self._configuration)
        if self._host.config.enable_debugging_handlers:
            app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs.serve)
            app.router.add_routes(Streams(self._pods, self._host.runtime).routes())
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if refused := await self._access.refusal(request):
            return refused
        labels = _labels(request)
        began = time.monotonic()
        instruments.REQUESTS.inc(*labels)
        instruments.OPEN_REQUESTS.inc(*labels)
        try:
            return await handler(request)
        except RuntimeFailure as failure:
            return web.Response(status=500, text=f"the container runtime failed: {failure.message}")
        finally:
            instruments.OPEN_REQUESTS.inc(*labels, by=-1.0)
            instruments.REQUEST_SECONDS.observe(time.monotonic() - began, *labels)

    async def _health(self, request: web.Request) -> web.Response:
        wrong = self._healthy()
        return web.Response(text=wrong or "ok", status=500 if wrong else 200)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=REGISTRY.render() + await self._volumes.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _container_metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=await self._containers.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _probe_metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=PROBES.render(process=False), headers={"Content-Type": CONTENT_TYPE})

    async def _resource_metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=await self._usage.resource_metrics(), headers={"Content-Type": CONTENT_TYPE})

    async def _summary(self, request: web.Request) -> web.Response:
        return web.json_response(await self._usage.summary())

    async def _list_pods(self, request: web.Request) -> web.Response:
        items = []
        for worker in self._pods.workers.values():
            status = self._host.statuses.current(worker.uid) or worker.pod.get("status") or {}
            items.append({**worker.pod, "status": status})
        return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _configuration(self, request: web.Request) -> web.Response:
        return web.json_response({"kubeletconfig": dataclasses.asdict(self._host.config)})


def _labels(request: web.Request) -> tuple[str, ...]:
    """How metrics name a request. What is not served has no path there: whoever asks would make series."""
    resource = request.match_info.route.resource
    first, _, rest = (resource.canonical if resource is not None else "").strip("/").partition("/")
    path = f"{first}/{rest}" if first == "metrics" and rest else first
    long_running = first in _STREAMS or request.query.get("follow") in ("true", "1")
    return str(long_running).lower(), request.method if path else "", path, "readwrite"
