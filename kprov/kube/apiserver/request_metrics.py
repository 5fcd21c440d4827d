"""Counts and times of requests, under upstream's names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kprov.kube.api.metrics import LabelValues, Registry
from kprov.kube.apiserver.http.message import Request
from kprov.kube.apiserver.inflight import InFlight
from kprov.kube.apiserver.resources import find

_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0,
            30.0, 45.0, 60.0)  # fmt: skip
_SIZES = tuple(10**exponent for exponent in range(3, 10))
_LABELS = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component")
_WITHOUT_DRY_RUN = (_LABELS[0], *_LABELS[2:])
_VERBS = frozenset(
    [
        "GET",
        "LIST",
        "WATCH",
        "CREATE",
        "UPDATE",
        "PATCH",
        "APPLY",
        "DELETE",
        "DELETECOLLECTION",
        "CONNECT",
        "POST",
        "PUT",
        "HEAD",
        "OPTIONS",
    ]
)
_READ = frozenset({"GET", "LIST"})
_CONNECTED = frozenset({"exec", "attach", "portforward", "proxy"})


class RequestMetrics:
    """What /metrics says about requests."""

    def __init__(self, registry: Registry, inflight: InFlight) -> None:
        self._total = registry.counter(
            "apiserver_request_total",
            "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, "
            "component, and HTTP response code.",
            (*_LABELS, "code"),
        )
        self._seconds = registry.histogram(
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds for each verb, dry run value, group, version, resource, "
            "subresource, scope and component.",
            _LABELS,
            _BUCKETS,
        )
        self._sizes = registry.histogram(
            "apiserver_response_sizes",
            "Response size distribution in bytes for each group, version, verb, resource, subresource, scope and "
            "component.",
            _WITHOUT_DRY_RUN,
            _SIZES,
        )
        self._terminated = registry.counter(
            "apiserver_request_terminations_total",
            "Number of requests which apiserver terminated in self-defense.",
            (*_WITHOUT_DRY_RUN, "code"),
        )
        self._open = registry.gauge(
            "apiserver_longrunning_requests",
            "Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope "
            "and component.",
            _WITHOUT_DRY_RUN,
        )
        registry.gauge(
            "apiserver_current_inflight_requests",
            "Maximal number of currently used inflight request limit of this apiserver per request kind.",
            ("request_kind",),
            lambda: {("readOnly",): float(inflight.counts[True]), ("mutating",): float(inflight.counts[False])},
        )

    def observe(self, request: Request, status: int, seconds: float, size: int | None = None) -> None:
        """Note one request that was answered (a stream: begun), and how large the answer's body is."""
        labels = _labels(request, status)
        self._total.inc(*labels, str(status or 101))
        if request.info.verb != "watch":
            self._seconds.observe(seconds, *labels)
        if size is not None and labels[0] in _READ:
            self._sizes.observe(size, labels[0], *labels[2:])

    def terminated(self, request: Request, status: int) -> None:
        """Note one request that was refused, or given up, because there was too much to do."""
        labels = _labels(request, status)
        self._terminated.inc(labels[0], *labels[2:], str(status))

    def opened(self, request: Request) -> Callable[[], None]:
        """Note a stream that began. Returns what to call at its end."""
        verb, _, *others = _labels(request, 0)
        labels = (verb, *others)
        self._open.inc(*labels)
        return partial(self._closed, labels)

    def _closed(self, labels: LabelValues) -> None:
        self._open.inc(*labels, by=-1.0)


def _labels(request: Request, status: int) -> LabelValues:
    """A request's labels. What nobody serves is not named: whoever asks would choose how many series there are."""
    info = request.info
    if not info.is_resource:
        verb = info.verb.upper()
        return (verb if verb in _VERBS else "OTHER", "", "", "", "", "", "", "apiserver")
    if info.subresource in _CONNECTED:
        verb = "CONNECT"
    else:
        verb = info.verb.upper() if info.verb != "patch" or not _is_apply(request) else "APPLY"
    if status >= 400 and not _is_served(request):
        return (verb if verb in _VERBS else "OTHER", "", "", "", "", "", "", "apiserver")
    scope = "resource" if info.name else "namespace" if info.namespace else "cluster"
    dry_run = "All" if request.query.get("dryRun", "") == "All" else ""
    where = (info.api_group, info.api_version, info.resource, info.subresource)
    return (verb, dry_run, *where, scope, "apiserver")


def _is_apply(request: Request) -> bool:
    return str(request.headers.get("Content-Type", "")).startswith("application/apply-patch")


def _is_served(request: Request) -> bool:
    info = request.info
    found = find(info.api_group, info.resource)
    return (
        found is not None
        and info.api_version in found.versions
        and (not info.subresource or info.subresource in found.subresources)
    )
