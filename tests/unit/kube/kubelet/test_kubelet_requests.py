"""How the kubelet's metrics name requests: no client chooses how many series there are."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from kprov.kube.kubelet.server.node_server import _labels


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/metrics/resource", ("false", "GET", "metrics/resource", "readwrite")),
        ("GET", "/stats/summary", ("false", "GET", "stats", "readwrite")),
        ("GET", "/containerLogs/n/p/c", ("false", "GET", "containerLogs", "readwrite")),
        ("GET", "/containerLogs/n/p/c?follow=true", ("true", "GET", "containerLogs", "readwrite")),
        ("POST", "/exec/n/p/c", ("true", "POST", "exec", "readwrite")),
        ("BREW", "/whatever/somebody/asks", ("false", "", "", "readwrite")),
    ],
)
async def test_labels(method: str, path: str, expected: tuple[str, ...]) -> None:
    async def nothing(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    served = ("/metrics/resource", "/stats/summary", "/containerLogs/{namespace}/{pod}/{c}", "/exec/{a}/{b}/{c}")
    for each in served:
        app.router.add_route("*", each, nothing)
    request = make_mocked_request(method, path, app=app)
    request._match_info = await app.router.resolve(request)
    assert _labels(request) == expected
