"""Who runs a machine: asked of the kernel, and of nobody else."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kprov.lab.power import supervisor_of
from kprov.lab.state import LabState

HOLD = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
TAKE = """
import fcntl, sys
for _ in range(2000):
    with open(sys.argv[1], "w") as power:
        fcntl.lockf(power, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@pytest.fixture
def state(tmp_path: Path) -> LabState:
    state = LabState("t", tmp_path)
    state.machine_folder("cp1").mkdir(parents=True)
    return state


def test_a_machine_is_on_while_a_process_holds_it(state: LabState) -> None:
    power = state.machine_folder("cp1") / "power"
    assert supervisor_of(state, "cp1") is None
    power.touch()
    assert supervisor_of(state, "cp1") is None
    holder = subprocess.Popen([sys.executable, "-c", HOLD, power], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout and holder.stdout.readline()
        assert supervisor_of(state, "cp1") == holder.pid
        with open(power, "w") as second, pytest.raises(BlockingIOError):
            fcntl.lockf(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        holder.kill()
        holder.communicate()
    assert supervisor_of(state, "cp1") is None


def test_looking_is_never_in_the_way_of_a_machine_that_starts(state: LabState) -> None:
    power, ended = state.machine_folder("cp1") / "power", threading.Event()

    def look() -> None:
        while not ended.is_set():
            supervisor_of(state, "cp1")

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        subprocess.run([sys.executable, "-c", TAKE, power], check=True)
    finally:
        ended.set()
        watcher.join()
