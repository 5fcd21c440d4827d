"""Who leads, by a Lease; which units a machine must run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kprov.provision.inventory import Host
from kprov.provision.verify.control_plane import leader_of
from kprov.provision.verify.machines import units_of
from kprov.provision.verify.report import CheckFailed

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def lease(holder: str, age: float) -> dict[str, Any]:
    renewed = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15}}


def test_whoever_renewed_lately_leads() -> None:
    assert leader_of(lease("cp2_abc", 3), NOW) == "cp2_abc"


@pytest.mark.parametrize(("holder", "age", "message"), [("", 1, "nobody leads"), ("cp2_abc", 30, "leads no more")])
def test_an_old_or_empty_lease_is_nobodys(holder: str, age: float, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        leader_of(lease(holder, age), NOW)


def test_a_machine_runs_what_its_groups_need() -> None:
    def host(*groups: str) -> Host:
        return Host(name="x", address="192.0.2.1", node_address="192.0.2.1", groups=groups, variables={})

    assert "etcd" not in units_of(host("all", "node"))
    assert {"etcd", "kube-apiserver", "kubelet"} <= set(units_of(host("all", "etcd", "control_plane")))
