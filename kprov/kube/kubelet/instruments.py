"""The kubelet's metrics, under upstream's names."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kprov.kube.api.metrics import REGISTRY, LabelValues
from kprov.kube.kubelet.node.facts import Disk, disk

if TYPE_CHECKING:
    from kprov.kube.kubelet.pods.manager import PodManager

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # prometheus's own, as upstream has them

RELISTS = REGISTRY.histogram(
    "kubelet_pleg_relist_duration_seconds", "Duration in seconds for relisting pods in PLEG.", (),
    _BUCKETS,
)  # fmt: skip
RELIST_INTERVALS = REGISTRY.histogram(
    "kubelet_pleg_relist_interval_seconds", "Interval in seconds between relisting in PLEG.", (),
    _BUCKETS,
)  # fmt: skip
SANDBOXES = REGISTRY.histogram(
    "kubelet_run_podsandbox_duration_seconds",
    "Duration in seconds of the run_podsandbox operations. Broken down by RuntimeClass.Handler.",
    ("runtime_handler",),
    _BUCKETS,
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
    _BUCKETS,
)
OPEN_REQUESTS = REGISTRY.gauge("kubelet_http_inflight_requests", "Number of the inflight http requests", _ASKED)
SYNCS = REGISTRY.histogram(
    "kubelet_pod_worker_duration_seconds",
    "Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
    ("operation_type",),
    _BUCKETS,
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


_ROOM: dict[str, tuple[str, Callable[[Disk], int]]] = {
    "capacity_bytes": ("Capacity in bytes of the volume", lambda disk: disk.size),
    "available_bytes": ("Number of available bytes in the volume", lambda disk: disk.available),
    "used_bytes": ("Number of used bytes in the volume", lambda disk: disk.size - disk.free),
    "inodes": ("Maximum number of inodes in the volume", lambda disk: disk.inodes),
    "inodes_free": ("Number of free inodes in the volume", lambda disk: disk.inodes_free),
    "inodes_used": ("Number of used inodes in the volume", lambda disk: disk.inodes - disk.inodes_free),
}


def watch_volumes(claimed: Callable[[], dict[LabelValues, Path]]) -> None:
    """Show how full the claimed volumes are: the file systems on which they lie, as upstream does.

    Args:
        claimed: gives the claims in use, by namespace and name, and where they lie.
    """
    for name, (text, measure) in _ROOM.items():
        REGISTRY.gauge(
            f"kubelet_volume_stats_{name}", text, ("namespace", "persistentvolumeclaim"), _room(claimed, measure)
        )


def _room(
    claimed: Callable[[], dict[LabelValues, Path]], measure: Callable[[Disk], int]
) -> Callable[[], dict[LabelValues, float]]:
    return lambda: {claim: float(measure(disk(path))) for claim, path in claimed().items() if path.exists()}


def certificate_end(which: str) -> Callable[[float], None]:
    """Show how long a certificate (client or server) still lasts. Returns what is told its end, since 1970."""

    def seconds() -> float | dict[LabelValues, float]:
        return _ENDS[which] - time.time() if which in _ENDS else {}

    REGISTRY.gauge(f"kubelet_certificate_manager_{which}_ttl_seconds", _TTL.format(which), (), seconds)

    def tell(end: float) -> None:
        _ENDS[which] = end

    return tell
