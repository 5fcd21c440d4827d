"""A run that is killed at any moment leaves a journal that can be read and that claims nothing that was not done.

KPROV_KILLED_RUNS: how many runs are killed (25). KPROV_SEED: of the moments.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import killed_work
import pytest

from kprov.provision.engine.journal_reader import read_run
from kprov.provision.engine.runs import Run
from kprov.provision.engine.state_lock import holder_of

KILLS = int(os.environ.get("KPROV_KILLED_RUNS", "25"))
SEED = int(os.environ.get("KPROV_SEED", "20"))
GONE_SECONDS = 60.0


class Works:
    """The program that works, one process a run."""

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, killed_work.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, folder: Path) -> int:
        """Begin a run. Returns its process."""
        assert self._program.stdin and self._program.stdout
        self._program.stdin.write(f"{folder}\n")
        self._program.stdin.flush()
        return int(self._program.stdout.readline())

    def ended(self) -> int:
        """Wait for the run. Returns how the process ended, as waitpid says it."""
        assert self._program.stdout
        return int(self._program.stdout.readline())

    def close(self) -> None:
        """No more runs."""
        assert self._program.stdin
        self._program.stdin.close()
        self._program.wait(30)


@pytest.fixture
def works() -> Iterator[Works]:
    program = Works()
    yield program
    program.close()


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    killed_work.lay_out(folder)
    return folder


def wait_until_agents_left(folder: Path) -> None:
    """The machines are unlocked: nothing is done there any more."""
    deadline = time.monotonic() + GONE_SECONDS
    for lock in folder.glob("lock-*"):
        while True:
            try:
                with lock.open() as stream:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except FileNotFoundError:
                break
            except BlockingIOError:
                assert time.monotonic() < deadline, f"{lock} is held after {GONE_SECONDS:g} s: {lock.read_text()}"
                time.sleep(0.01)


def wait_until_written(folder: Path, process: int, size: int) -> None:
    """The run has come so far as to have written so much, or has ended."""
    while not select.select([process], [], [], 0.0005)[0]:
        for journal in (folder / "state/runs").glob("*/journal.jsonl"):
            if journal.stat().st_size >= size:
                return


def traces(folder: Path) -> dict[str, set[str]]:
    """What was done, by machine."""
    return {host: {path.name for path in (folder / "out" / host).glob("*")} for host in killed_work.HOSTS}


def last_run(folder: Path) -> Run:
    runs = sorted((folder / "state/runs").glob("*"))
    return read_run(runs[-1])


def check_journal(folder: Path, run: Run, before: dict[str, set[str]] | None = None) -> None:
    """Hold the journal against what is on the disk, and was not there before."""
    lines = run.journal_path.read_bytes().split(b"\n")
    for line in lines[:-1]:  # the last is empty, or was cut off
        json.loads(line)
    assert run.unreadable == (0 if lines[-1] == b"" else 1)
    there = traces(folder)
    known = {host: set((before or {}).get(host, ())) for host in killed_work.HOSTS}
    for task in run.tasks():
        assert task.status in ("changed", "ok"), task
        if task.status == "changed":
            missing = set(killed_work.traces_of(task.task)) - there[task.host]
            assert not missing, f"the journal says that {task} was done; {missing} is not there"
            known[task.host] |= set(killed_work.traces_of(task.task))
    for host, tasks in run.in_flight.items():
        known[host] |= {trace for task in tasks for trace in killed_work.traces_of(task.task)}
    for host, found in there.items():
        assert found <= known[host], f"done on {host}, and the journal does not know of it: {found - known[host]}"


def test_what_a_killed_run_says_is_true(tmp_path: Path, works: Works) -> None:
    folder = fresh(tmp_path / "whole")
    begun = time.monotonic()
    works.start(folder)
    assert works.ended() == 0
    seconds = time.monotonic() - begun
    run = last_run(folder)
    assert run.outcome == "ok" and not run.in_flight
    check_journal(folder, run)
    everything = {trace for task in killed_work.all_tasks() for trace in killed_work.traces_of(task)} | {"handler"}
    assert traces(folder) == dict.fromkeys(killed_work.HOSTS, everything)
    size = run.journal_path.stat().st_size

    chance, outcomes = random.Random(SEED), Counter[str]()
    for number in range(KILLS):
        folder = fresh(tmp_path / "killed")
        process = os.pidfd_open(works.start(folder))
        wait_until_written(folder, process, chance.randint(0, size))
        time.sleep(chance.random() * 0.01)  # the moment is the test's subject
        with contextlib.suppress(ProcessLookupError):  # it was quicker
            signal.pidfd_send_signal(process, signal.SIGKILL)
        os.close(process)
        status = works.ended()
        if not list((folder / "state/runs").glob("*/journal.jsonl")):
            outcomes["before its journal"] += 1
            continue
        wait_until_agents_left(folder)
        run = last_run(folder)
        check_journal(folder, run)
        assert holder_of(folder / "state") is None, "a killed run holds the lock on the state"
        assert run.outcome == ("ok" if status == 0 else run.outcome) and run.outcome in ("ok", "died"), run.outcome
        if run.outcome == "ok":
            assert traces(folder) == dict.fromkeys(killed_work.HOSTS, everything)
        outcomes[run.outcome + (", tasks in flight" if run.in_flight else "")] += 1
        if number % 10 == 0:
            goes_on(folder, works, everything)
    print(f"\n{KILLS} runs killed: {dict(outcomes)}; one takes {seconds:.2f} s", flush=True)


def goes_on(folder: Path, works: Works, everything: set[str]) -> None:
    """The same work again does what was left, the handlers that were due included."""
    before = traces(folder)
    works.start(folder)
    assert works.ended() == 0
    run = last_run(folder)
    assert run.outcome == "ok"
    check_journal(folder, run, before)
    changed = {
        host: {task.task for task in run.tasks() if task.host == host and task.status == "changed"} for host in before
    }
    for host, found in before.items():
        left = {task for task in killed_work.all_tasks() if not set(killed_work.traces_of(task)) <= found}
        assert left <= changed[host], f"{host}: not done by the second run: {left - changed[host]}"
    assert traces(folder) == dict.fromkeys(killed_work.HOSTS, everything)
