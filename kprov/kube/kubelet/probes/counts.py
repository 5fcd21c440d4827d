"""/metrics/probes: how probes went, under upstream's names."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.metrics import PROMETHEUS_BUCKETS, Registry

PROBES = Registry()
TOTAL = PROBES.counter(
    "prober_probe_total",
    "Cumulative number of a liveness, readiness or startup probe for a container by result.",
    ("probe_type", "result", "container", "pod", "namespace", "pod_uid"),
)
SECONDS = PROBES.histogram(
    "prober_probe_duration_seconds",
    "Duration in seconds for a probe response.",
    ("probe_type", "container", "pod", "namespace"),
    PROMETHEUS_BUCKETS,
)
SUCCESSFUL, FAILED, UNKNOWN = "successful", "failed", "unknown"


class ProbeCounts:
    """Counts the probes of one pod, and is forgotten with it."""

    def __init__(self, pod: dict[str, Any]) -> None:
        """``pod`` is who is probed."""
        meta = pod["metadata"]
        self._pod: tuple[str, str] = (meta["name"], meta["namespace"])
        self._uid: str = meta["uid"]
        self._seen: set[tuple[str, str]] = set()

    def probed(self, kind: str, container: str, result: str, seconds: float) -> None:
        """Count a probe of a kind (liveness ...) that ended so and took so long."""
        self._seen.add((kind, container))
        TOTAL.inc(kind.capitalize(), result, container, *self._pod, self._uid)
        if result != UNKNOWN:  # as upstream: what could not be asked has no duration
            SECONDS.observe(seconds, kind.capitalize(), container, *self._pod)

    def forget(self) -> None:
        """Drop the pod's series."""
        for kind, container in self._seen:
            for result in (SUCCESSFUL, FAILED, UNKNOWN):
                TOTAL.values.pop((kind.capitalize(), result, container, *self._pod, self._uid), None)
            SECONDS.series.pop((kind.capitalize(), container, *self._pod), None)
        self._seen.clear()
