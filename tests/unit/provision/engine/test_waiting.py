"""Waits say what they wait for, how long they have, and which timeout ended them."""

from __future__ import annotations

import pytest

from kprov.provision.engine import waiting
from kprov.provision.engine.waiting import Wait, WaitedTooLong
from kprov.provision.inventory.timeouts import Timeouts


class Clock:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def test_a_wait_tells_how_it_stands_and_ends_in_time(clock: Clock) -> None:
    told: list[str] = []
    wait = Wait("the nodes", "nodes", Timeouts().changed({"nodes": "25s"}), told.append)
    for _ in range(5):
        wait.longer("w1 has not registered", pause=5)
    with pytest.raises(WaitedTooLong) as ended:
        wait.longer("w1 has not registered", pause=5)
    assert told == [
        "waiting for the nodes, 10 s of 25s (nodes): w1 has not registered",
        "waiting for the nodes, 20 s of 25s (nodes): w1 has not registered",
    ]
    assert str(ended.value) == (
        "gave up waiting for the nodes after 25s (timeout nodes; a longer one: --timeout nodes=DURATION): "
        "w1 has not registered"
    )
    assert clock.now == 125


def test_the_last_look_is_at_the_deadline_not_after_it(clock: Clock) -> None:
    wait = Wait("it", "api", Timeouts().changed({"api": 1}))
    wait.longer(pause=60)
    assert wait.passed == 1
