"""What is told of the limits on requests at a time."""

from __future__ import annotations

import pytest

from kprov.kube.api.errors import ApiError
from kprov.kube.api.metrics import Registry
from kprov.kube.apiserver import flow_metrics
from kprov.kube.apiserver.inflight import InFlight
from kprov.kube.apiserver.request import UserInfo

ADMIN, USER = UserInfo("admin", groups=("system:masters",)), UserInfo("somebody")


def test_places_are_counted_by_level() -> None:
    registry, inflight = Registry(), InFlight(1, 0)
    flow_metrics.register(registry, inflight)
    with inflight.slot(True, USER), inflight.slot(True, ADMIN), inflight.slot(False, USER):
        with pytest.raises(ApiError) as refused:
            inflight.slot(True, USER)
        during = registry.render(process=False).splitlines()
    assert refused.value.code == 429 and refused.value.retry_after == 1
    reads = 'priority_level="read-only",flow_schema="read-only"'
    for line in (
        f'apiserver_flowcontrol_rejected_requests_total{{{reads},reason="concurrency-limit"}} 1',
        f"apiserver_flowcontrol_dispatched_requests_total{{{reads}}} 1",
        f"apiserver_flowcontrol_current_executing_requests{{{reads}}} 1",
        'apiserver_flowcontrol_current_executing_seats{priority_level="exempt",flow_schema="exempt"} 1',
        'apiserver_flowcontrol_nominal_limit_seats{priority_level="read-only"} 1',
        'apiserver_flowcontrol_nominal_limit_seats{priority_level="mutating"} 0',
        "# TYPE apiserver_flowcontrol_dispatched_requests_total counter",
    ):
        assert line in during
    after = registry.render(process=False).splitlines()
    assert f"apiserver_flowcontrol_current_executing_requests{{{reads}}} 0" in after
    assert f"apiserver_flowcontrol_dispatched_requests_total{{{reads}}} 1" in after
    assert inflight.total == 0
