"""Counts and times of requests, under upstream's names."""

from __future__ import annotations

from kprov.kube.api.metrics import Registry
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.inflight import InFlight

_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0,
            30.0, 45.0, 60.0)  # fmt: skip


class RequestMetrics:
    """What /metrics says about requests."""

    def __init__(self, registry: Registry, inflight: InFlight) -> None:
        self._total = registry.counter(
            "apiserver_request_total",
            "Counter of apiserver requests broken out for each verb, group, version, resource, scope, and code.",
            ("verb", "group", "version", "resource", "subresource", "scope", "code"),
        )
        self._seconds = registry.histogram(
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds for each verb, group, version, resource, subresource and scope.",
            ("verb", "group", "version", "resource", "subresource", "scope"),
            _BUCKETS,
        )
        for kind, read_only in (("readOnly", True), ("mutating", False)):
            registry.gauge(
                f"apiserver_current_inflight_requests_{kind}",
                "Requests of this kind that are being answered.",
                function=lambda read_only=read_only: float(inflight.counts[read_only]),  # type: ignore[misc]
            )

    def observe(self, request: Request, status: int, seconds: float) -> None:
        """Note one request that was answered (a stream: begun)."""
        info = request.info
        scope = (
            "" if not info.is_resource else "resource" if info.name else "namespace" if info.namespace else "cluster"
        )
        verb = info.verb.upper()
        labels = (verb, info.api_group, info.api_version, info.resource, info.subresource, scope)
        if not info.is_resource and status == 404:
            labels = (verb, "", "", "", "", "")
        self._total.inc(*labels, str(status or 101))
        if info.verb != "watch":
            self._seconds.observe(seconds, *labels)
