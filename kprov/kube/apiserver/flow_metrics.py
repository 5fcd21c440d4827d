"""What the limits on requests at a time do, under the names that upstream's flow control has for it.

Upstream's priority levels are objects, and requests wait in queues of theirs; here there are three levels that never
change (see ``inflight``), each with one flow, and nobody waits: who finds no place is refused at once.
"""

from __future__ import annotations

from collections.abc import Callable

from kprov.kube.api.metrics import Asked, LabelValues, Registry
from kprov.kube.apiserver.inflight import LEVELS, InFlight, Level

_FLOW = ("priority_level", "flow_schema")
_REASON = "concurrency-limit"


def register(registry: Registry, inflight: InFlight) -> None:
    """Tell of the limits in a registry's metrics."""

    def each(value: Callable[[Level], float], *more: str) -> Asked:
        def asked() -> dict[LabelValues, float]:
            return {(name, name, *more): float(value(inflight.levels[name])) for name in LEVELS}

        return asked

    prefix = "apiserver_flowcontrol"
    registry.counter(
        f"{prefix}_dispatched_requests_total",
        "Number of requests executed by API Priority and Fairness subsystem",
        _FLOW,
        each(lambda level: level.dispatched),
    )
    registry.counter(
        f"{prefix}_rejected_requests_total",
        "Number of requests rejected by API Priority and Fairness subsystem",
        (*_FLOW, "reason"),
        each(lambda level: level.rejected, _REASON),
    )
    for unit in ("requests", "seats"):
        registry.gauge(
            f"{prefix}_current_executing_{unit}",
            f"Number of {unit} in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority "
            "and Fairness subsystem",
            _FLOW,
            each(lambda level: level.executing),
        )
    registry.gauge(
        f"{prefix}_current_inqueue_requests",
        "Number of requests currently pending in queues of the API Priority and Fairness subsystem",
        _FLOW,
        each(lambda level: 0.0),
    )
    registry.gauge(
        f"{prefix}_nominal_limit_seats",
        "Nominal number of execution seats configured for each priority level",
        _FLOW[:1],
        lambda: {(name,): float(inflight.limit_of(name)) for name in LEVELS},
    )
