"""A run of kprov that is ended by SIGKILL at a moment of its life."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KPROV = str(Path(sys.executable).with_name("kprov"))
LOCKED = 5


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        code: its exit code; -9 when it was killed.
        seconds: how long it ran.
        phase: the title of the last phase that it began.
        events: what it said.
    """

    code: int
    seconds: float
    phase: str
    events: list[dict[str, Any]]

    @property
    def was_killed(self) -> bool:
        """Whether the signal came before its end."""
        return self.code == -signal.SIGKILL

    @property
    def last_words(self) -> str:
        """What it said at its end, for a person."""
        words = [each for each in self.events if each.get("event") in ("error", "warning", "waiting", "summary")]
        return "\n".join(json.dumps(each)[:1500] for each in words[-4:])


@dataclass(frozen=True, slots=True)
class Moment:
    """When a run is killed: by what it has said, since how long that takes is another matter each time.

    Attributes:
        events: how many events it has told.
        delay: seconds after the last of them.
    """

    events: int
    delay: float


def moment_of(whole: Ended, chance: random.Random) -> Moment:
    """A random moment of a run like one that was let run to its end."""
    return Moment(chance.randint(1, max(1, len(whole.events) - 1)), chance.uniform(0.0, 0.5))


def run(*words: str, kill_at: Moment | None = None) -> Ended:
    """Run kprov, and kill it at a moment, unless it has ended before."""
    started = time.monotonic()
    process = subprocess.Popen(
        [KPROV, *words, "--output", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    events, phase = [], "before the first phase"
    timer = threading.Timer(kill_at.delay if kill_at else 0.0, process.kill)
    assert process.stdout is not None
    for line in process.stdout:
        try:
            event = json.loads(line)
        except ValueError:  # the last line of a killed one
            event = {"event": "warning", "message": line.strip()}
        events.append(event)
        if event.get("event") == "phase_started":
            phase = str(event["phase"])
        if kill_at is not None and len(events) == kill_at.events:
            timer.start()
    code = process.wait()
    timer.cancel()
    return Ended(code, time.monotonic() - started, phase, events)


def once_unlocked(*words: str, kill_at: Moment | None = None, patience: float = 120.0) -> tuple[Ended, float]:
    """Run kprov as `run` does; as long as a killed run's locks are still held, again.

    Returns: how it ended, and how many seconds the locks were waited for.
    """
    started = time.monotonic()
    while True:
        begun = time.monotonic()
        ended = run(*words, kill_at=kill_at)
        if ended.code != LOCKED or begun - started > patience:
            return ended, begun - started
        time.sleep(0.5)
