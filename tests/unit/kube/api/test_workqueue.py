from __future__ import annotations

import asyncio

import pytest

from kprov.kube.api.workqueue import QueueShutDown, WorkQueue


async def test_a_key_waits_once_however_often_it_is_added() -> None:
    queue = WorkQueue()
    queue.add("a")
    queue.add("a")
    queue.add("b")
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_added_while_worked_on_comes_again_after_done() -> None:
    queue = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"


async def test_failures_wait_longer_each_time_and_forget_ends_it() -> None:
    queue = WorkQueue(base_delay=0.001, max_delay=0.004)
    for expected in (1, 2, 3):
        queue.add_rate_limited("a")
        assert queue.retries("a") == expected
        assert await asyncio.wait_for(queue.get(), 60) == "a"
        queue.done("a")
    queue.forget("a")
    assert queue.retries("a") == 0


async def test_an_earlier_appointment_stands() -> None:
    queue = WorkQueue()
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    assert await asyncio.wait_for(queue.get(), 60) == "a"
    queue.add_after("b", 60)
    queue.add_after("b", 0.01)
    assert await asyncio.wait_for(queue.get(), 60) == "b"


async def test_a_cancelled_worker_does_not_swallow_a_key() -> None:
    queue = WorkQueue()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 60) == "a"


async def test_shut_down_ends_the_workers_after_what_is_left() -> None:
    queue = WorkQueue()
    queue.add("a")
    queue.shut_down()
    queue.add("b")
    assert await queue.get() == "a"
    with pytest.raises(QueueShutDown):
        await queue.get()
