"""Many watch, one writes: how fast events come out, and how late."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiservers import objects
from apiservers.load import Load, command
from apiservers.servers import Server

_WRITES = 40  # whose lateness is looked at
_PAUSE = 0.05
_SPARE = 64  # writes beyond those that are waited for: the last ones may be cut off with their client


@dataclass(frozen=True)
class FanOut:
    """``per_second`` events are delivered; the lateness of single ones, write to delivery, is in milliseconds."""

    per_second: float
    p50: float
    p99: float
    cpu_ms: float
    client_busy: float


@contextlib.contextmanager
def _watchers(server: Server, count: int) -> Iterator[subprocess.Popen[str]]:
    path = f"{objects.PODS}?watch=1&resourceVersion={objects.revision(server)}"
    line = [sys.executable, "-m", "apiservers.watchers", str(server.port), path, str(count)]
    environment = {**os.environ, "KPROV_TOKEN": server.token, "PYTHONPATH": str(Path(__file__).parents[1])}
    child = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        if _line(child) != "open\n":
            raise RuntimeError(f"{server.name}: {count} watches cannot be opened")
        yield child
    finally:
        child.kill()
        child.wait()


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def _ask(child: subprocess.Popen[str], text: str) -> None:
    assert child.stdin is not None
    child.stdin.write(f"{text}\n")
    child.stdin.flush()


def _answer(server: Server, child: subprocess.Popen[str]) -> dict[str, Any]:
    said = _line(child)
    if not said:
        raise RuntimeError(f"{server.name}: the watchers ended")
    found: dict[str, Any] = json.loads(said)
    return found


def measure(server: Server, count: int, names: list[str], folder: Path) -> FanOut:
    """Deliver to so many watchers: single writes first, then a burst."""
    full = objects.changed(server, "NAME", "UNIQUE")
    with _watchers(server, count) as child:
        _ask(child, f"latency {_WRITES}")
        connection = server.connect()
        for number in range(_WRITES):
            name = names[number % len(names)]
            body = full.replace("NAME", name).replace("UNIQUE", f"t{int(time.monotonic() * 1e6)}")
            server.ask(connection, "PUT", f"{objects.PODS}/{name}", body)
            time.sleep(_PAUSE)  # a rate, not a wait
        single = _answer(server, child)
        events = max(50, min(1000, 50_000 // count))
        paths = [f"{objects.PODS}/{names[number % len(names)]}" for number in range(events + _SPARE)]
        burst = Load("PUT", paths, full, once=True)
        before = server.cpu()
        _ask(child, f"burst {events}")
        writer = subprocess.Popen(command(server, burst, 16, 60, folder), stdout=subprocess.DEVNULL)
        try:
            many = _answer(server, child)
        finally:
            writer.kill()
            writer.wait()
        cpu = server.cpu() - before
    return FanOut(
        many["events"] / many["seconds"], single["p50"], single["p99"], cpu * 1000 / many["events"], many["busy"]
    )
