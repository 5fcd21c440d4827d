"""The scheduler's metrics, under upstream's names."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kprov.kube.api.metrics import REGISTRY

if TYPE_CHECKING:
    from kprov.kube.scheduler.cluster import Cluster
    from kprov.kube.scheduler.queue import QueuedPod, SchedulingQueue

_LATENCIES = tuple(0.001 * 2**step for step in range(15))
_LONG_LATENCIES = tuple(0.01 * 2**step for step in range(20))

ATTEMPTS = REGISTRY.counter(
    "scheduler_schedule_attempts_total",
    "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while "
    "'error' means an internal scheduler problem.",
    ("profile", "result"),
)
ATTEMPT_SECONDS = REGISTRY.histogram(
    "scheduler_scheduling_attempt_duration_seconds",
    "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
    ("profile", "result"),
    _LATENCIES,
)
ALGORITHM_SECONDS = REGISTRY.histogram(
    "scheduler_scheduling_algorithm_duration_seconds", "Scheduling algorithm latency in seconds", (), _LATENCIES
)
POD_SECONDS = REGISTRY.histogram(
    "scheduler_pod_scheduling_sli_duration_seconds",
    "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue.",
    ("attempts",),
    _LONG_LATENCIES,
)
POD_ATTEMPTS = REGISTRY.histogram(
    "scheduler_pod_scheduling_attempts",
    "Number of attempts to successfully schedule a pod.",
    (),
    (1.0, 2.0, 4.0, 8.0, 16.0),
)
PREEMPTIONS = REGISTRY.counter(
    "scheduler_preemption_attempts_total", "Total preemption attempts in the cluster till now"
)
VICTIMS = REGISTRY.histogram(
    "scheduler_preemption_victims", "Number of selected preemption victims", (), (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
)
EXTENSION_POINT_SECONDS = REGISTRY.histogram(
    "scheduler_framework_extension_point_duration_seconds",
    "Latency for running all plugins of a specific extension point.",
    ("extension_point", "status", "profile"),
    tuple(0.0001 * 2**step for step in range(12)),
)
PLUGIN_SECONDS = REGISTRY.histogram(
    "scheduler_plugin_execution_duration_seconds",
    "Duration for running a plugin at a specific extension point.",
    ("plugin", "extension_point", "status"),
    tuple(0.00001 * 1.5**step for step in range(20)),
)
SAMPLED = 0.1
"""The part of all pods for which plugins are timed one by one, as upstream has it. Ours look at all nodes at once."""
INCOMING = REGISTRY.counter(
    "scheduler_queue_incoming_pods_total",
    "Number of pods added to scheduling queues by event and queue type.",
    ("event", "queue"),
)


def asked_plugins(extension_point: str, profile: str, began: float, *, found: bool = True) -> None:
    """Note that the plugins of an extension point were asked; ``began`` is a time.monotonic()."""
    status = "Success" if found else "Unschedulable"
    EXTENSION_POINT_SECONDS.observe(time.monotonic() - began, extension_point, status, profile)


def asked_plugin(plugin: str, extension_point: str, began: float, *, found: bool = True) -> None:
    """Note that one plugin was asked; ``began`` is a time.perf_counter()."""
    PLUGIN_SECONDS.observe(
        time.perf_counter() - began, plugin, extension_point, "Success" if found else "Unschedulable"
    )


def attempted(profile: str, result: str, began: float) -> None:
    """Note an attempt that ended: scheduled, unschedulable or error; ``began`` is a time.monotonic()."""
    ATTEMPTS.inc(profile, result)
    ATTEMPT_SECONDS.observe(time.monotonic() - began, profile, result)


def placed(entry: QueuedPod, seconds: float) -> None:
    """Note a pod that has its place, and how long it waited for it."""
    POD_ATTEMPTS.observe(entry.attempts)
    POD_SECONDS.observe(seconds, str(entry.attempts) if entry.attempts < 16 else "16+")


def watch_queue(queue: SchedulingQueue, cluster: Cluster) -> None:
    """Show the queue's lengths, what its pods are kept by, and how much is known of the cluster."""
    REGISTRY.gauge(
        "scheduler_pending_pods",
        "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means "
        "number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler "
        "attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never "
        "attempted to schedule because they are gated.",
        ("queue",),
        lambda: {(part,): float(length) for part, length in queue.lengths.items()},
    )
    REGISTRY.gauge(
        "scheduler_unschedulable_pods",
        "The number of unschedulable pods broken down by plugin name. A pod will increment the gauge for all plugins "
        "that caused it to not schedule and so this metric have meaning only when broken down by plugin.",
        ("plugin", "profile"),
        lambda: _blamed(queue),
    )
    REGISTRY.gauge(
        "scheduler_scheduler_cache_size",
        "Number of nodes, pods, and assumed (bound) pods in the scheduler cache.",
        ("type",),
        lambda: {(kind,): float(number) for kind, number in cluster.sizes.items()},
    )


def _blamed(queue: SchedulingQueue) -> Mapping[tuple[str, ...], float]:
    found: Counter[tuple[str, ...]] = Counter()
    for entry in queue.hopeless():
        profile = str(entry.pod.spec.get("schedulerName") or "default-scheduler")
        found.update((plugin, profile) for plugin in entry.blamed)
    return {labels: float(number) for labels, number in found.items()}
