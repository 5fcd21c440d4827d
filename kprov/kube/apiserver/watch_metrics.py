"""How many events watchers were told, and how large, under upstream's names."""

from __future__ import annotations

from kprov.kube.api.metrics import REGISTRY
from kprov.kube.apiserver.storage.audience import Told

_LABELS = ("group", "version", "kind")
EVENTS = REGISTRY.counter("apiserver_watch_events_total", "Number of events sent in watch clients", _LABELS)
SIZES = REGISTRY.histogram(
    "apiserver_watch_events_sizes",
    "Watch event size distribution in bytes",
    _LABELS,
    tuple(1024 << exponent for exponent in range(8)),
)


def told_of(group: str, version: str, kind: str) -> Told:
    """What notes the events of one kind in one version."""

    def told(size: int, watchers: int) -> None:
        EVENTS.inc(group, version, kind, by=watchers)
        SIZES.observe(size, group, version, kind, times=watchers)

    return told
