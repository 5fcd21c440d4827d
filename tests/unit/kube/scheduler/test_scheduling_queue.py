from __future__ import annotations

import asyncio

import pytest
from scheduling_objects import pod

from kprov.kube.scheduler.pod_info import PodInfo
from kprov.kube.scheduler.queue import QueuedPod, SchedulingQueue


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> SchedulingQueue:
    return SchedulingQueue(1, 10, clock)


def info(name: str, priority: int = 0, **more: object) -> PodInfo:
    return PodInfo(pod(name, priority=priority, **more))


def take(queue: SchedulingQueue) -> QueuedPod:
    entry = queue.pop_ready()
    assert entry
    return entry


async def test_important_pods_first_then_the_longest_waiting(queue: SchedulingQueue, clock: Clock) -> None:
    queue.add(info("a"))
    clock.time += 1
    queue.add(info("b"))
    queue.add(info("c", priority=5))
    assert [take(queue).pod.name for _ in range(3)] == ["c", "a", "b"]
    assert queue.pop_ready() is None


async def test_a_hopeless_pod_waits_for_an_event_that_concerns_it(queue: SchedulingQueue, clock: Clock) -> None:
    queue.add(info("a"))
    queue.failed(take(queue), frozenset(("NodeResourcesFit",)))
    queue.event(("InterPodAffinity",))
    clock.time += 100
    assert queue.pop_ready() is None
    queue.event(("NodeResourcesFit", "NodePorts"))
    assert take(queue).pod.name == "a"


async def test_an_event_during_the_decision_is_not_lost(queue: SchedulingQueue, clock: Clock) -> None:
    queue.add(info("a"))
    entry = take(queue)
    queue.event(("NodeResourcesFit",))
    queue.failed(entry, frozenset(("NodeResourcesFit",)))
    assert queue.lengths["backoff"] == 1
    clock.time += 1
    assert take(queue).pod.name == "a"


async def test_pauses_double_up_to_the_longest(queue: SchedulingQueue, clock: Clock) -> None:
    queue.add(info("a"))
    for pause in (1, 2, 4, 8, 10, 10):
        queue.failed(take(queue), frozenset())
        clock.time += pause - 0.01
        assert queue.pop_ready() is None, pause
        clock.time += 0.02


async def test_a_hopeless_pod_is_tried_again_after_five_minutes(queue: SchedulingQueue, clock: Clock) -> None:
    queue.add(info("a"))
    queue.failed(take(queue), frozenset(("NodeAffinity",)))
    clock.time += 299
    assert queue.pop_ready() is None
    clock.time += 2
    assert take(queue).pod.name == "a"


async def test_a_change_of_the_pod_itself_brings_it_back(queue: SchedulingQueue, clock: Clock) -> None:
    first = info("a")
    queue.add(first)
    queue.failed(take(queue), frozenset(("NodeAffinity",)))
    clock.time += 5
    queue.update(first)
    assert take(queue).pod.name == "a"


async def test_gated_pods_wait_for_their_gates(queue: SchedulingQueue) -> None:
    raw = pod("a", schedulingGates=[{"name": "x"}])
    queue.add(PodInfo(raw))
    assert queue.pop_ready() is None
    assert queue.lengths["gated"] == 1
    del raw["spec"]["schedulingGates"]
    queue.update(PodInfo(raw))
    assert take(queue).pod.name == "a"


async def test_a_pod_that_is_deleted_is_nowhere(queue: SchedulingQueue) -> None:
    one, two = info("a"), info("b")
    queue.add(one)
    queue.add(two)
    entry = take(queue)
    queue.remove(entry.pod.uid)
    queue.remove(two.uid)
    queue.failed(entry, frozenset())
    assert set(queue.lengths.values()) == {0}
    assert queue.pop_ready() is None


async def test_pop_waits_for_a_pod() -> None:
    queue = SchedulingQueue(0.01, 0.01)
    waiting = asyncio.create_task(queue.pop())
    await asyncio.sleep(0)
    queue.add(info("a"))
    entry = await asyncio.wait_for(waiting, 60)
    queue.failed(entry, frozenset())
    assert (await asyncio.wait_for(queue.pop(), 60)).attempts == 2
