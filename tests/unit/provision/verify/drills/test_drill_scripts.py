"""Scripts of kprov's own drills that no lab machine can run: they are run here, against a clock that is not real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kprov.provision.verify.drills.reader import catalogue

# What Python reads at its start, in a script's python3: the machine's clock is a file, and time goes on.
CLOCK = """
import os, time
offset, real = os.environ["OFFSET"], time.clock_gettime
def shift():
    return float(open(offset).read()) if os.path.exists(offset) else 0.0
def gettime(clock):
    return real(clock) + (shift() if clock == time.CLOCK_REALTIME else 0.0)
def settime(clock, seconds):
    assert clock == time.CLOCK_REALTIME
    with open(offset, "w") as kept:
        kept.write(repr(seconds - real(clock)))
time.clock_gettime, time.clock_settime = gettime, settime
"""


def run(script: str, folder: Path) -> int:
    (folder / "sitecustomize.py").write_text(CLOCK)
    python = folder / "python3"
    python.unlink(missing_ok=True)
    python.symlink_to(sys.executable)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "OFFSET": str(folder / "offset"),
    }
    script = script.replace("/run/kprov-drill-clock", str(folder / "kept"))
    return subprocess.run(["/bin/sh", "-c", script], env=environment, check=False).returncode


def offset(folder: Path) -> float:
    return float((folder / "offset").read_text())


@pytest.mark.parametrize(("name", "jump"), [("clock-forward", 600), ("clock-back", -600)])
def test_a_clock_jumps_and_is_set_back(tmp_path: Path, name: str, jump: float) -> None:
    drill = catalogue()[name]
    assert run(drill.harm, tmp_path) == 0
    assert offset(tmp_path) == pytest.approx(jump, abs=5)
    assert run(drill.harm, tmp_path) != 0  # what the time was is not forgotten by a second jump
    assert run(drill.undo, tmp_path) == 0
    assert offset(tmp_path) == pytest.approx(0, abs=5)
    assert not (tmp_path / "kept").exists()
    assert run(drill.undo, tmp_path) == 0 and offset(tmp_path) == pytest.approx(0, abs=5)


def test_clocks_are_moved_on_machines_alone_that_have_one() -> None:
    for name in ("clock-forward", "clock-back"):
        first = catalogue()[name].requires[0]
        assert "systemd-detect-virt" in first.command and "container" in first.because


def test_only_a_disk_of_its_own_is_filled_or_frozen() -> None:
    for name in ("full-disk", "slow-disk"):
        assert any(each.command == "mountpoint --quiet /var/lib/etcd" for each in catalogue()[name].requires)
