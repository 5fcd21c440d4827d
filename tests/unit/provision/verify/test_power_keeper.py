"""A machine gets its power back also when whoever cut it is gone."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from kprov.provision.verify.power_keeper import PowerKeeper

HOLDER = """
import os, signal, sys
from kprov.provision.verify.power_keeper import PowerKeeper
PowerKeeper(["touch", sys.argv[1]], 60)
os.kill(os.getpid(), signal.SIGKILL)
"""


def appears(path: Path) -> bool:
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    return path.exists()


def test_when_kprov_is_killed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", HOLDER, str(tmp_path / "a b")], check=False)
    assert appears(tmp_path / "a b")


def test_when_the_time_is_up(tmp_path: Path) -> None:
    keeper = PowerKeeper(["touch", str(tmp_path / "on")], 1)
    assert appears(tmp_path / "on")
    keeper.dismiss()


def test_not_when_it_was_dismissed(tmp_path: Path) -> None:
    keeper = PowerKeeper(["touch", str(tmp_path / "on")], 60)
    keeper.dismiss()
    assert not (tmp_path / "on").exists()
