"""The undo of a harm is on the machine before the harm is, and is run once, by whoever comes first."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.provision.verify.drills import harms
from kprov.provision.verify.drills.drill import Drill, Target
from kprov.provision.verify.report import CheckFailed


class Machine:
    """This one; its systemd only notes what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = {"m": SimpleNamespace(state="connected")}
        for name in ("systemd-run", "systemctl"):
            program = folder / name
            program.write_text(f'#!/bin/sh\necho {name} "$@" >> {folder}/asked\nexit ${{FAILS:-0}}\n')
            program.chmod(0o755)

    def shell(self, host: str, script: str) -> Any:
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, env=environment, check=False)
        return SimpleNamespace(rc=done.returncode, stdout=done.stdout, stderr=done.stderr)

    @property
    def asked(self) -> str:
        return (self.folder / "asked").read_text()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(harms, "FOLDER", str(tmp_path / "undos"))
    return Machine(tmp_path)


def harm(machine: Machine, script: str, **more: Any) -> harms.ScriptedHarm:
    drill = Drill(
        "mine", "Mine", (Target("each node"),), harm=script, undo='rm -f "$WHERE"; echo "it\'s undone"', **more
    )
    host = SimpleNamespace(name="m")
    where = {"WHERE": str(machine.folder / "a file")}
    return harms.ScriptedHarm(machine, host, drill, where)  # type: ignore[arg-type]


def test_it_is_armed_then_done_then_undone(machine: Machine) -> None:
    undo = machine.folder / "undos/mine.sh"
    one = harm(machine, f'[ -e {undo} ] && touch "$WHERE"', deadline=33)
    one.do()
    assert (machine.folder / "a file").exists() and undo.stat().st_mode & 0o777 == 0o600
    assert "--on-active=33" in machine.asked and str(undo) in machine.asked
    one.undo()
    assert not (machine.folder / "a file").exists() and not undo.exists()
    assert "systemctl stop kprov-drill-mine.timer" in machine.asked
    one.undo()


def test_what_cannot_be_armed_is_not_done(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "1")
    with pytest.raises(CheckFailed, match="the harm of mine failed"):
        harm(machine, 'touch "$WHERE"').do()
    assert not (machine.folder / "a file").exists()


def test_what_a_killed_kprov_left_is_undone_by_the_next(machine: Machine) -> None:
    harm(machine, 'touch "$WHERE"').do()
    host = SimpleNamespace(name="m")
    found = harms.undo_leftovers(machine, [host])  # type: ignore[arg-type, list-item]
    assert found == ["mine on m"]
    assert not (machine.folder / "a file").exists() and not (machine.folder / "undos").exists()
    assert harms.undo_leftovers(machine, [host]) == []  # type: ignore[arg-type, list-item]


def test_an_undo_that_fails_is_told_and_stays_armed(machine: Machine) -> None:
    one = harm(machine, 'mkdir "$WHERE"')  # which rm -f does not remove
    one._drill = dataclasses.replace(one._drill, undo='rmdir "$WHERE/not-there"')
    one.do()
    with pytest.raises(CheckFailed, match="the undo of mine failed"):
        one.undo()
    assert (machine.folder / "undos/mine.sh").exists() and "systemctl stop" not in machine.asked.splitlines()[-1]
