"""Requests that take too long end, whoever else waits; others are let be."""

from __future__ import annotations

import asyncio

import pytest

from kprov.kube.apiserver.deadlines import Deadlines

_LONG = 60.0


async def test_what_takes_too_long_ends_with_a_timeout() -> None:
    deadlines = Deadlines(0.01)
    with pytest.raises(TimeoutError), deadlines.limit():
        await asyncio.sleep(_LONG)
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    await asyncio.sleep(0)  # nothing of the cancellation is left


async def test_what_ends_in_time_is_let_be_and_nothing_goes_on_behind_it() -> None:
    deadlines = Deadlines(0.01)
    for _ in range(3):
        with deadlines.limit():
            await asyncio.sleep(0)
    assert not deadlines._running
    while deadlines._looking is not None:  # noqa: ASYNC110 - the one timer ends by itself
        await asyncio.sleep(0.001)
    with deadlines.limit():
        assert deadlines._looking is not None


async def test_each_has_its_own_time() -> None:
    deadlines = Deadlines(0.05)
    ended: list[str] = []

    async def work(name: str, quick: bool) -> None:
        try:
            with deadlines.limit():
                await asyncio.sleep(0 if quick else _LONG)
            ended.append(f"{name} done")
        except TimeoutError:
            ended.append(f"{name} late")

    await asyncio.gather(*(work(f"{number}", number % 2 == 0) for number in range(6)))
    assert sorted(ended) == ["0 done", "1 late", "2 done", "3 late", "4 done", "5 late"]


async def test_who_is_cancelled_otherwise_hears_that() -> None:
    deadlines = Deadlines(_LONG)

    async def work() -> None:
        with deadlines.limit():
            await asyncio.sleep(_LONG)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not deadlines._running


async def test_a_client_that_leaves_as_the_time_is_up_is_a_cancellation() -> None:
    deadlines = Deadlines(_LONG)

    async def work() -> None:
        with deadlines.limit():
            await asyncio.sleep(_LONG)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    (limit,) = deadlines._running
    limit.expire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_work_itself_is_told_as_it_is() -> None:
    deadlines = Deadlines(0.01)

    async def work() -> None:
        try:
            await asyncio.sleep(_LONG)
        except asyncio.CancelledError:
            raise ValueError("its own") from None

    with pytest.raises(ValueError, match="own"), deadlines.limit():
        await work()
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
