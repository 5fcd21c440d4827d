"""The lab's machines for integration tests."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_machines import LabMachines
from leftovers import MARK, Watch

from kprov.lab import lifecycle
from kprov.lab.layout import Layout, lay_out
from kprov.lab.readiness import what_is_missing
from kprov.lab.state import LabState

INVENTORY = Path(__file__).resolve().parents[2] / "inventories/lab.yaml"


def _end(*_: object) -> None:
    """Who is ended clears up as well, and is not disturbed at it: one who dies may send it twice, by its threads."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    pytest.exit("ended by SIGTERM")


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fails the run, after everything else, when it leaves something on the machine.

    What has nobody's name on is only told of while others' tests are here too: it may be theirs.
    """
    signal.signal(signal.SIGTERM, _end)
    if MARK in os.environ:  # lanes.py has started this run and others, and looks when all of them have ended
        yield
        return
    os.environ[MARK] = uuid.uuid4().hex
    watch = Watch(os.environ[MARK], tmp_path_factory.getbasetemp())
    yield
    left, doubtful = watch.verdict()
    if doubtful:
        warnings.warn(f"came or changed during the tests: {'; '.join(doubtful)}", stacklevel=1)
    assert not left, "the tests leave behind:\n" + "\n".join(left)


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
