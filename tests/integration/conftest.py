"""The lab's machines for integration tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_machines import LabMachines

from kprov.lab import lifecycle
from kprov.lab.layout import Layout, lay_out
from kprov.lab.readiness import what_is_missing
from kprov.lab.state import LabState

INVENTORY = Path(__file__).resolve().parents[2] / "inventories/lab.yaml"


@pytest.fixture(scope="session")
def lab() -> Iterator[LabMachines]:
    """The five machines of `kprov lab up`: those that are up, else made now and taken down at the end.

    $KPROV_TEST_LAB names another lab, of three control planes and two workers, that is up.
    """
    if os.geteuid() != 0:
        pytest.fail("the lab makes machines, so it needs root")
    state = LabState(os.environ["KPROV_TEST_LAB"]) if "KPROV_TEST_LAB" in os.environ else LabState()
    present = state.load()
    healthy = present is not None and all(what_is_missing(state, each) is None for each in present.machines)
    layout = lifecycle.up(state, present or lay_out(), state.inventory() or INVENTORY)
    yield LabMachines(state, layout, state.inventory() or INVENTORY)
    if present is None or not healthy:
        lifecycle.down(state)


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[tuple[LabState, Layout, Path]]:
    """A small lab beside the shared one, not yet up: for tests that must not disturb others. Down at the end."""
    if os.geteuid() != 0:
        pytest.fail("the lab makes machines, so it needs root")
    state = LabState("test")
    lifecycle.down(state)  # of a run that was killed
    yield state, lay_out(name="test", subnet="10.99.0.0/24", control_planes=1, workers=1, releases=("13",)), tmp_path
    lifecycle.down(state)
    shutil.rmtree(tmp_path, ignore_errors=True)
