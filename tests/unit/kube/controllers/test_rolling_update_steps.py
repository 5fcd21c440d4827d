"""What each step of a rolling update may take away, whatever the ReplicaSets' status knows by then."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kprov.kube.controllers.deployment.rolling import scale_down

WANTED, UNAVAILABLE = 6, 1


def replica_set(name: str, size: int, available: int) -> dict[str, Any]:
    created = {"old": "2026-01-01T00:00:00Z", "new": "2026-01-02T00:00:00Z"}[name]
    return {
        "metadata": {"name": name, "creationTimestamp": created},
        "spec": {"replicas": size},
        "status": {"availableReplicas": available},
    }


def deployment() -> dict[str, Any]:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": UNAVAILABLE, "maxSurge": 2}}
    return {"spec": {"replicas": WANTED, "strategy": strategy}}


def test_pods_on_their_way_out_spare_nobody() -> None:
    # told to be 2 a moment ago, its status still says 3
    assert scale_down(deployment(), replica_set("new", 4, 4), [replica_set("old", 2, 3)]) == {"old": 1}
    assert scale_down(deployment(), replica_set("new", 3, 3), [replica_set("old", 2, 3)]) == {}


@given(old=st.integers(0, 8), told=st.integers(0, 8), new=st.integers(0, 6), ready=st.integers(0, 6))
def test_what_is_left_and_ready_is_never_fewer_than_promised(old: int, told: int, new: int, ready: int) -> None:
    size, ready = min(old, told), min(new, ready)
    before = size + ready
    sizes = scale_down(deployment(), replica_set("new", new, ready), [replica_set("old", size, old)])
    after = sizes.get("old", size) + ready
    assert after == before or after >= WANTED - UNAVAILABLE
