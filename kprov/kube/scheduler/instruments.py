"""The scheduler's metrics, under upstream's names."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from kprov.kube.api.metrics import REGISTRY, Histogram

ATTEMPTS = REGISTRY.counter(
    "scheduler_schedule_attempts_total", "Attempts to schedule pods, by the result", ("result",)
)
SCHEDULING_SECONDS = REGISTRY.histogram(
    "scheduler_scheduling_algorithm_duration_seconds", "Scheduling algorithm latency in seconds"
)
PREEMPTIONS = REGISTRY.counter("scheduler_preemption_attempts_total", "Preemption attempts in the cluster till now")
VICTIMS = REGISTRY.counter("scheduler_preemption_victims", "Pods that were removed to make room")
PENDING = REGISTRY.gauge("scheduler_pending_pods", "Pending pods, by the queue's part", ("queue",))


@contextlib.contextmanager
def timed(histogram: Histogram) -> Iterator[None]:
    """Observe how long the body takes."""
    began = time.perf_counter()
    try:
        yield
    finally:
        histogram.observe(time.perf_counter() - began)
