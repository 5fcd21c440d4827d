"""From which clusters no machine is taken, since it is known beforehand that they can't do without."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.verify.high_availability import too_small, verify_high_availability
from kprov.provision.verify.report import Report


def inventory(control_plane: int, etcd: int, apart: int = 0) -> Any:
    names = [f"cp{number}" for number in range(9)]
    groups = {"control_plane": names[:control_plane], "etcd": names[apart : apart + etcd]}
    return SimpleNamespace(group=lambda name: [SimpleNamespace(name=each) for each in groups[name]])


@pytest.mark.parametrize(
    ("control_plane", "etcd", "apart", "reason"),
    [
        (3, 3, 0, ""),
        (5, 5, 0, ""),
        (2, 3, 4, ""),
        (1, 1, 0, "one machine of the control plane"),
        (1, 3, 4, "one machine of the control plane"),
        (2, 2, 0, "etcd has 2 members"),
        (3, 1, 0, "etcd has 1 member,"),
    ],
)
def test_what_can_be_lost(control_plane: int, etcd: int, apart: int, reason: str) -> None:
    found = too_small(inventory(control_plane, etcd, apart))
    assert (reason in found) if reason else found == ""


def test_of_a_cluster_that_is_too_small_nothing_is_taken() -> None:
    session: Any = SimpleNamespace(inventory=inventory(1, 1), report=Report("demo"))  # with nothing that could do harm
    verify_high_availability(session)
    (result,) = session.report.results
    assert not result.passed and result.message.startswith("not tried: there is one machine")
