"""How full claimed volumes are, also where one of them does not answer."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kprov.kube.kubelet.node.facts import Disk, disk
from kprov.kube.kubelet.server import volume_metrics
from kprov.kube.kubelet.server.volume_metrics import VolumeMetrics

_LINE = re.compile(r'kubelet_volume_stats_(\w+)\{namespace="ns",persistentvolumeclaim="(\w+)"\} (\d+)')


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this computer is, what answers is waited for."""
    monkeypatch.setattr(volume_metrics, "MEASURED_WITHIN", 60.0)


def _metrics(claimed: dict[tuple[str, ...], Path]) -> VolumeMetrics:
    host: Any = SimpleNamespace(volumes=SimpleNamespace(claimed=lambda: claimed))
    return VolumeMetrics(host)


def _room(text: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, claim, value in _LINE.findall(text):
        found.setdefault(claim, {})[name] = int(value)
    return found


async def test_volumes_that_are_claimed_say_how_full_they_are(tmp_path: Path) -> None:
    found = _room(await _metrics({("ns", "data"): tmp_path, ("ns", "lost"): tmp_path / "none"}).text())
    assert set(found) == {"data"}
    room = found["data"]
    assert 0 < room["available_bytes"] <= room["capacity_bytes"] - room["used_bytes"] <= room["capacity_bytes"]
    assert room["inodes_used"] + room["inodes_free"] == room["inodes"]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """File systems answer while it is set."""
    answers = threading.Event()

    def slow(path: Path) -> Disk:
        assert answers.wait(60)
        return disk(path)

    monkeypatch.setattr(volume_metrics, "disk", slow)
    yield answers
    answers.set()


async def test_a_file_system_that_does_not_answer_holds_nobody_up(
    tmp_path: Path, answers: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed: dict[tuple[str, ...], Path] = {("ns", "data"): tmp_path}
    metrics = _metrics(claimed)
    answers.set()
    before = _room(await metrics.text())
    answers.clear()
    with monkeypatch.context() as short:
        short.setattr(volume_metrics, "MEASURED_WITHIN", 0.01)
        assert set(_room(await metrics.text())) == set(before) == {"data"}
        claimed.clear()
        assert _room(await metrics.text()) == {}
    claimed["ns", "other"] = tmp_path
    answers.set()
    await metrics.text()  # of the claims as they were when it was asked
    assert set(_room(await metrics.text())) == {"other"}


async def test_a_file_system_that_is_gone_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(path: Path) -> Disk:
        if path.name == "stale":
            raise OSError(116, "Stale file handle")
        return disk(path)

    monkeypatch.setattr(volume_metrics, "disk", stale)
    (tmp_path / "stale").mkdir()
    found = _room(await _metrics({("ns", "gone"): tmp_path / "stale", ("ns", "data"): tmp_path}).text())
    assert set(found) == {"data"}
