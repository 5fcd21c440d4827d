"""Clients write, read and watch while API servers and etcd are killed and paused; then it is checked who was lied to.

$KPROV_HISTORY_SECONDS (6) says how long, $KPROV_HISTORY_SEED which dice.
"""

from __future__ import annotations

import asyncio
import copy
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest
from history_check import violations, watch_violations
from history_clients import FENCE, Client, Watcher, session
from history_record import Operation, Truth
from history_servers import Servers, servers

_LENGTH = float(os.environ.get("KPROV_HISTORY_SECONDS", "6"))
_SEED = int(os.environ.get("KPROV_HISTORY_SEED", "0")) or random.randrange(1, 1 << 30)
_CLIENTS, _WATCHERS = 6, 4
_CATCH_UP = 60.0
_ENOUGH, _FAULTS = 200, 3  # requests and faults; a busy machine may take longer for them


@pytest.mark.parametrize("count", [1, 3])
async def test_nobody_is_lied_to(tmp_path: Path, count: int) -> None:
    with servers(tmp_path / "plane", count) as running:
        clients, watchers = await _run(running)
        truth = await running.truth("configmaps")
        logs = running.logs()
    operations = [each for who in (*clients, *watchers) for each in who.operations if each.ended]
    segments = [segment for watcher in watchers for segment in watcher.segments]
    what = f"seed {_SEED}, faults {running.faults}"
    assert [fault for who in (*clients, *watchers) for fault in who.faults] == [], what
    assert violations(operations, truth)[:5] == [], what
    assert watch_violations(segments, truth)[:5] == [], what
    assert "Traceback" not in logs, logs[-4000:]
    done = [each for each in operations if each.outcome == "ok"]
    told = sum(len(segment.events) for segment in segments)
    print(f"{len(operations)} requests, {len(done)} done, {len(truth.versions)} changes, {told} events, {what}")
    assert len(done) >= _ENOUGH and told > 50 and len(running.faults) >= _FAULTS
    _would_notice(operations, watchers, truth)


async def _run(running: Servers) -> tuple[list[Client], list[Watcher]]:
    dice = random.Random(_SEED)
    async with session(running) as http:
        clients = [Client(running, http, _SEED + number) for number in range(_CLIENTS)]
        watchers = [
            Watcher(running, http, _SEED + 100 + number, "a" if number % 2 else "") for number in range(_WATCHERS)
        ]
        watching = [asyncio.create_task(watcher.watch()) for watcher in watchers]
        began = time.monotonic()

        def going() -> bool:
            past = time.monotonic() - began
            return past < _LENGTH or (past < 4 * _LENGTH and (done() < _ENOUGH or len(running.faults) < _FAULTS))

        def done() -> int:
            return sum(each.outcome == "ok" for client in clients for each in client.operations)

        await asyncio.gather(*(client.work(going) for client in clients), running.disturb(dice, going, done))
        fence = await _fence(clients[0])
        await _caught_up(watchers, fence.revision)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    return clients, watchers


async def _fence(client: Client) -> Operation:
    """A last write of each label, which every watcher must come to see."""
    end = time.monotonic() + _CATCH_UP
    number = 0
    while time.monotonic() < end:
        number += 1
        made = await client.write(Operation("create", f"{FENCE}-{number}", 0.0, f"fence-{number}"))
        if made.outcome == "ok":
            return made
        await asyncio.sleep(0.05)
    pytest.fail("no write was taken any more")


async def _caught_up(watchers: list[Watcher], revision: int) -> None:
    end = time.monotonic() + _CATCH_UP
    for watcher in watchers:
        if watcher.tier:  # what it selects need not be written again: its silence is checked up to its last event
            continue
        while not watcher.segments or watcher.segments[-1].reached < revision:
            assert time.monotonic() < end, f"a watcher stays behind {revision}: {watcher.segments[-1:]}"
            await asyncio.sleep(0.02)


def _would_notice(operations: list[Operation], watchers: list[Watcher], truth: Truth) -> None:
    """The checks can fail: each lie that is put into this very history is found."""
    dice = random.Random(_SEED)

    def found(kind: str, **changed: object) -> bool:
        them = [each for each in operations if each.kind == kind and each.outcome == "ok" and each.asked in (None,)]
        them = them or [each for each in operations if each.kind == kind and each.outcome == "ok"]
        lie = dice.choice(them)
        made = replace(lie, **{name: value(lie) for name, value in changed.items()})  # type: ignore[operator]
        return bool(violations([made if each is lie else each for each in operations], truth))

    assert found("replace", value=lambda lie: f"{lie.value}-lost")
    assert found("get", revision=lambda lie: lie.revision - 1)
    assert found("get", outcome=lambda lie: "missing") or found("get", value=lambda lie: "other")
    assert found("list", seen=lambda lie: {**lie.seen, "history-0": (1, "made up")})
    segment = max((each for watcher in watchers for each in watcher.segments), key=lambda each: len(each.events))
    for change in ("lose", "repeat", "swap"):
        made = copy.deepcopy(segment)
        place = len(made.events) // 2
        if change == "lose":
            del made.events[place]
        elif change == "repeat":
            made.events.insert(place, made.events[place])
        else:
            made.events[place - 1 : place + 1] = reversed(made.events[place - 1 : place + 1])
        assert watch_violations([made], truth), change
