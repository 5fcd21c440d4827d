"""The proxy's plain HTTP: /healthz for load balancers, /metrics for Prometheus, as upstream's kube-proxy."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from aiohttp import web

from kprov.kube.api.metrics import CONTENT_TYPE, REGISTRY
from kprov.kube.proxy import instruments
from kprov.kube.proxy.syncer import Syncer

# A change that waits longer than this means that the kernel is not what the Services ask for.
_STALE_AFTER = 60.0


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - the user's own setting


def _healthz(syncer: Syncer) -> web.Response:
    pending = syncer.pending_since
    healthy = bool(syncer.last_synced) and (not pending or time.monotonic() - pending < _STALE_AFTER)
    instruments.HEALTHZ.inc("200" if healthy else "503")
    body = {"currentTime": datetime.now(UTC).isoformat(), "nodeEligible": True, "healthy": healthy}
    return web.Response(text=json.dumps(body), status=200 if healthy else 503, content_type="application/json")


def _metrics(syncer: Syncer) -> web.Response:
    return web.Response(text=REGISTRY.render(), headers={"Content-Type": CONTENT_TYPE})


async def serve(syncer: Syncer, healthz_address: str, metrics_address: str) -> list[web.AppRunner]:
    """Serve both; an empty address leaves that one out.

    Returns the runners, for the caller to clean up. Raises OSError when an address is taken.
    """
    runners = []
    for address, routes in (
        (healthz_address, {"/healthz": _healthz, "/livez": _healthz}),
        (metrics_address, {"/healthz": _healthz, "/metrics": _metrics}),
    ):
        if not address:
            continue
        app = web.Application()
        for path, answer in routes.items():

            async def handler(_: web.Request, answer: object = answer) -> web.Response:
                return answer(syncer)  # type: ignore[operator, no-any-return]

            app.router.add_get(path, handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, *_split(address)).start()
    return runners
