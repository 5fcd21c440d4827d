"""The kubelet's metrics, under upstream's names."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kprov.kube.api.metrics import PROMETHEUS_BUCKETS, REGISTRY, LabelValues

if TYPE_CHECKING:
    from kprov.kube.kubelet.pods.manager import PodManager

RELISTS = REGISTRY.histogram(
    "kubelet_pleg_relist_duration_seconds", "Duration in seconds for relisting pods in PLEG.", (),
    PROMETHEUS_BUCKETS,
)  # fmt: skip
RELIST_INTERVALS = REGISTRY.histogram(
    "kubelet_pleg_relist_interval_seconds", "Interval in seconds between relisting in PLEG.", (),
    PROMETHEUS_BUCKETS,
)  # fmt: skip
SANDBOXES = REGISTRY.histogram(
    "kubelet_run_podsandbox_duration_seconds",
    "Duration in seconds of the run_podsandbox operations. Broken down by RuntimeClass.Handler.",
    ("runtime_handler",),
    PROMETHEUS_BUCKETS,
)
FAILED_SANDBOXES = REGISTRY.counter(
    "kubelet_run_podsandbox_errors_total",
    "Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.",
    ("runtime_handler",),
)
_ASKED = ("long_running", "method", "path", "server_type")
REQUESTS = REGISTRY.counter(
    "kubelet_http_requests_total", "Number of the http requests received since the server started", _ASKED
)
REQUEST_SECONDS = REGISTRY.histogram(
    "kubelet_http_requests_duration_seconds",
    "Duration in seconds to serve http requests",
    _ASKED,
    PROMETHEUS_BUCKETS,
)
OPEN_REQUESTS = REGISTRY.gauge("kubelet_http_inflight_requests", "Number of the inflight http requests", _ASKED)
SYNCS = REGISTRY.histogram(
    "kubelet_pod_worker_duration_seconds",
    "Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
    ("operation_type",),
    PROMETHEUS_BUCKETS,
)
POD_STARTS = REGISTRY.histogram(
    "kubelet_pod_start_duration_seconds",
    "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
    (),
    (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 480.0,
     600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0),
)  # fmt: skip
STARTED_PODS = REGISTRY.counter("kubelet_started_pods_total", "Cumulative number of pods started")
FAILED_PODS = REGISTRY.counter("kubelet_started_pods_errors_total", "Cumulative number of errors when starting pods")
STARTED_CONTAINERS = REGISTRY.counter(
    "kubelet_started_containers_total", "Cumulative number of containers started", ("container_type",)
)
FAILED_CONTAINERS = REGISTRY.counter(
    "kubelet_started_containers_errors_total",
    "Cumulative number of errors when starting containers",
    ("container_type",),
)
EVICTIONS = REGISTRY.counter(
    "kubelet_evictions", "Cumulative number of pod evictions by eviction signal", ("eviction_signal",)
)
_TTL = (
    "Gauge of the TTL (time-to-live) of the Kubelet's {} certificate. The value is in seconds until certificate expiry."
)
_ENDS: dict[str, float] = {}


def watch_pods(manager: PodManager, node: str) -> None:
    """Show what runs."""
    REGISTRY.gauge("kubelet_node_name", "The node's name. The count is always 1.", ("node",)).set(1, node)
    REGISTRY.gauge(
        "kubelet_running_pods", "Number of pods that have a running pod sandbox", (), manager.count_running_pods
    )
    REGISTRY.gauge(
        "kubelet_running_containers",
        "Number of containers currently running",
        ("container_state",),
        lambda: {("running",): float(manager.count_running_containers())},
    )
    REGISTRY.gauge(
        "kubelet_pleg_last_seen_seconds",
        "Timestamp in seconds when PLEG was last seen active.",
        (),
        lambda: time.time() - (time.monotonic() - manager.relist.last) if manager.relist.last else 0.0,
    )


def certificate_end(which: str) -> Callable[[float], None]:
    """Show how long a certificate (client or server) still lasts. Returns what is told its end, since 1970."""

    def seconds() -> float | dict[LabelValues, float]:
        return _ENDS[which] - time.time() if which in _ENDS else {}

    REGISTRY.gauge(f"kubelet_certificate_manager_{which}_ttl_seconds", _TTL.format(which), (), seconds)

    def tell(end: float) -> None:
        _ENDS[which] = end

    return tell
