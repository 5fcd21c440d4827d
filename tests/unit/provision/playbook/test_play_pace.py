"""The pace of plays, as the command line says it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.engine import HostState
from kprov.provision.engine.play_plan import PlayPlan
from kprov.provision.playbook.play_pace import PlayPace


@pytest.mark.parametrize(
    ("own", "asked", "serial"), [(None, None, None), (None, [1, "50%"], [1, "50%"]), (2, [1], 2), (2, None, 2)]
)
def test_a_plays_own_batches_are_stronger(own: Any, asked: Any, serial: Any) -> None:
    plan = PlayPlan("p", (), None, serial=own)  # type: ignore[arg-type]
    assert PlayPace(serial=asked).of(plan).serial == serial


@pytest.mark.parametrize(
    ("max_fail", "lost", "over"),
    [
        (None, 4, False),
        ("0", 0, False),
        ("0", 1, True),
        ("2", 2, False),
        ("2", 3, True),
        ("50%", 2, False),
        ("50%", 3, True),
    ],
)
def test_no_play_begins_after_too_many_failures(max_fail: str | None, lost: int, over: bool) -> None:
    states = {f"h{n}": HostState(("failed", "unreachable")[n % 2] if n < lost else "connected") for n in range(4)}
    said = PlayPace(max_fail=max_fail).over(SimpleNamespace(state=states), list(states))  # type: ignore[arg-type]
    assert bool(said) is over
    if over:
        assert said.startswith(f"{lost} of 4 hosts have failed, more than --max-fail {max_fail}: h0")


def test_a_play_may_be_left_out() -> None:
    asked: list[Any] = []
    pace = PlayPace(confirm=lambda name, hosts: bool(asked.append((name, hosts))))
    assert not pace.begins("Web", ["h1"])
    assert asked == [("Web", ["h1"])]
    assert PlayPace().begins("Web", ["h1"])
