"""The proxy's metrics, under upstream's names."""

from __future__ import annotations

import time

from kprov.kube.api.metrics import REGISTRY

_LATENCIES = tuple(0.001 * 2**step for step in range(15))

SECONDS = REGISTRY.histogram("kubeproxy_sync_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds", (),
                             _LATENCIES)  # fmt: skip
FULL_SECONDS = REGISTRY.histogram(
    "kubeproxy_sync_full_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds for full resyncs", (),
    _LATENCIES,
)  # fmt: skip
PARTIAL_SECONDS = REGISTRY.histogram(
    "kubeproxy_sync_partial_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds for partial resyncs", (),
    _LATENCIES,
)  # fmt: skip
LAST = REGISTRY.gauge(
    "kubeproxy_sync_proxy_rules_last_timestamp_seconds", "The last time proxy rules were successfully synced"
)
QUEUED = REGISTRY.gauge(
    "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "The last time a sync of proxy rules was queued"
)
FAILURES = REGISTRY.counter(
    "kubeproxy_sync_proxy_rules_nftables_sync_failures_total", "Cumulative proxy nftables sync failures"
)
PROGRAMMED = REGISTRY.histogram(
    "kubeproxy_network_programming_duration_seconds",
    "Seconds from the moment when a change of a Service or its endpoints came to this machine until the kernel has it",
    (),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0),
)
HEALTHZ = REGISTRY.counter("kubeproxy_proxy_healthz_total", "Cumulative proxy healthz HTTP status", ("code",))


def synced(seconds: float, *, everything: bool) -> None:
    """Note a transaction that the kernel took, with the whole table or with what changed."""
    SECONDS.observe(seconds)
    (FULL_SECONDS if everything else PARTIAL_SECONDS).observe(seconds)
    LAST.set(time.time())
