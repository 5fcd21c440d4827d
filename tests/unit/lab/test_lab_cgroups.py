"""A lab's share of a busy host's processors."""

from __future__ import annotations

from pathlib import Path

import pytest

from kprov.lab.cgroups import MachineGroup


@pytest.mark.parametrize(("name", "one"), [("cpu.shares", 1024), ("cpu.weight", 100)])
def test_a_lab_weighs_as_much_as_its_machines(tmp_path: Path, name: str, one: int) -> None:
    weight = tmp_path / "kprov-lab" / name
    weight.parent.mkdir()
    weight.touch()
    for number, machine in enumerate(("cp1", "cp2", "w1"), start=1):
        for group in (f"supervisor-{machine}", machine):
            MachineGroup("lab", group, [tmp_path]).create()
        assert weight.read_text() == str(number * one)
    MachineGroup("lab", "w1", [tmp_path]).create()  # it is started anew
    assert weight.read_text() == str(3 * one)
